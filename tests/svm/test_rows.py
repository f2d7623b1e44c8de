"""The structured products against the matrix they stand for, written out."""

import numpy as np
import pytest

from mdlib.svm.duality import certify
from mdlib.svm.interior import interior_point
from mdlib.svm.inverse import FREE, ROWS, WEIGHTS
from mdlib.svm.rows import among_rows, among_weights, margins, pull, rows_of
from mdlib.svm.solution import blank

SHAPES = {"tokens": (4, 5, 3, 3), "classifier": (1, 7, 6, 1)}


def drawn(n, R, d, k, seed=0):
    """Rows (n, R, d), queries (n, k) and bounds, one row of each kind that asks for nothing."""
    rng = np.random.default_rng(seed)
    x, bound = rng.standard_normal((n, R, d)), rng.uniform(0.5, 1, n * R)
    bound[1], x[0, 2] = -1, 0
    return x, rng.standard_normal((n, k)), bound


def matrix(A):
    return np.einsum("rd,rk->rdk", A.x, A.z[A.owner]).reshape(len(A.x), -1)


@pytest.fixture(params=SHAPES.values(), ids=SHAPES)
def A(request):  # noqa: N802
    return rows_of(*drawn(*request.param))[0]


def test_rows_that_ask_for_nothing_are_left_out_and_the_rest_is_scaled():
    x, z, bound = drawn(*SHAPES["tokens"])
    A, kept = rows_of(x, z, bound)
    assert set(range(20)) - set(kept) == {1, 2}
    assert abs(A.x).max() == abs(A.z).max() == A.bound.max() == 1
    assert A.owner.tolist() == [r // 5 for r in kept]
    assert A.first.tolist() == [0, 3, 8, 13, 18]
    np.testing.assert_allclose(A.x * abs(x.reshape(20, 3)[kept]).max(), x.reshape(20, 3)[kept])


def test_margins_are_the_matrix_times_w(A):
    w, out = np.random.default_rng(1).standard_normal(matrix(A).shape[1]), np.empty(len(A.x))
    margins(A, w, out)
    np.testing.assert_allclose(out, matrix(A) @ w)


def test_pull_is_the_transpose(A):
    m, out = np.random.default_rng(1).standard_normal(len(A.x)), np.empty(matrix(A).shape[1])
    pull(A, m, out)
    np.testing.assert_allclose(out, matrix(A).T @ m, atol=1e-12)


def test_the_two_grams(A):
    h, theta = np.random.default_rng(1).uniform(0.1, 2, (2, 50))
    m, D = matrix(A).shape
    rows, weights = np.zeros((m, m)), np.empty((D, D))
    among_rows(A, h[:D], rows)
    among_weights(A, theta[:m], weights)
    np.testing.assert_allclose(rows, np.tril((matrix(A) * h[:D]) @ matrix(A).T), atol=1e-12)
    np.testing.assert_allclose(weights, (matrix(A).T * theta[:m]) @ matrix(A), atol=1e-12)


@pytest.mark.parametrize("p", [1.1, 2.0, 3.0, 10.0])
@pytest.mark.parametrize("shape", [(3, 3, 4, 4), (1, 30, 6, 1), (30, 6, 5, 5)])
def test_all_ways_to_solve_the_newton_system_lead_to_the_same_weights(p, shape):
    """The last has more rows than are worked on at a time, too many for conjugate gradients."""
    x, z, bound = drawn(*shape)
    planted = np.random.default_rng(2).standard_normal((shape[2], shape[3]))
    x *= np.sign(np.einsum("nrd,dk,nk->nr", x, planted, z))[..., None]
    A, _ = rows_of(x, z, bound)
    found = []
    for side in (ROWS, WEIGHTS, FREE)[: 3 if len(A.x) < 60 else 2]:
        w, m = np.empty(planted.size), np.zeros(len(A.x))
        _, steps, gap = interior_point(A, p, 1e-8, 1e-12, side, w, m)
        assert gap <= 1e-8
        assert 0 < steps < 60
        found.append(w / np.min(matrix(A) @ w / A.bound))
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=0, atol=1e-4 * abs(found[0]).max())


@pytest.mark.parametrize("p", [1.05, 1.5, 2.0, 3.0, 20.0])
def test_the_certificate_scales_both_sides_and_no_multipliers_claim_too_much(p):
    x, z, bound = drawn(*SHAPES["tokens"])
    rng = np.random.default_rng(3)
    w = np.einsum("nrd,nk->dk", x, z).reshape(1, 9)  # no constraint is sure to hold
    m = rng.uniform(0, 1, (1, 20))
    C = blank(1, 20)
    certify(x[None], z[None], bound[None], p, w, m, C)
    A = np.einsum("nrd,nk->nrdk", x, z).reshape(20, 9)
    q = p / (p - 1)
    dual = np.linalg.norm(A.T @ m[0], q)
    assert m[0, 1] == m[0, 2] == 0
    total = np.clip(bound, 0, None) @ m[0]
    assert C.bound[0] == pytest.approx(total / dual)
    assert total == pytest.approx(dual**q)
    assert C.norm[0] == pytest.approx(np.linalg.norm(w[0], p))


def test_a_negative_margin_that_may_not_be_is_a_violation():
    x, one = np.array([[[[2.0], [-1.0]]]]), np.ones((1, 1, 1))
    C = blank(1, 2)
    certify(x, one, np.array([[1.0, 0.0]]), 2.0, np.ones((1, 1)), np.ones((1, 2)), C)
    assert C.violation.item() == pytest.approx(0.5)

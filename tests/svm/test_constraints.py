"""The structured maps against the matrix they stand for, written out."""

import pytest
import torch

from mdlib import AttentionProblem, LpPotential
from mdlib.svm.constraints import SampleConstraints, TokenConstraints
from mdlib.svm.duality import lower_bound, scale_to_optimum
from mdlib.svm.problems import TokenProblem

BATCH, N, T, D = 3, 4, 5, 6


def token_constraints():
    problem, v = AttentionProblem.random(N, T, D, seed=range(1, BATCH + 1))
    return TokenProblem(problem, problem.optimal_tokens(v), None).constraints


def sample_constraints():
    generator = torch.Generator().manual_seed(0)
    return SampleConstraints(torch.randn(BATCH, N, D, generator=generator, dtype=torch.float64))


def matrix(A):
    """Return A as a dense (batch, m, D) tensor."""
    if isinstance(A, SampleConstraints):
        return A.rows
    queries = A.z[:, :, None].expand(*A.lead.shape[:-1], A.z.shape[-1])
    return torch.einsum("bntj,bntk->bntjk", A.lead, queries).flatten(3).flatten(1, 2)


@pytest.fixture(params=[token_constraints, sample_constraints], ids=["tokens", "samples"])
def A(request):  # noqa: N802
    return request.param()


def randn(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_margins_are_the_matrix_times_w(A):
    w = randn(BATCH, matrix(A).shape[-1])
    torch.testing.assert_close(A.margins(w), (matrix(A) @ w[..., None])[..., 0])


def test_pull_is_the_transpose(A):
    multipliers = randn(BATCH, matrix(A).shape[-2])
    expected = (matrix(A).mT @ multipliers[..., None])[..., 0]
    torch.testing.assert_close(A.pull(multipliers), expected)


def test_gram_is_the_weighted_product(A):
    h = randn(BATCH, matrix(A).shape[-1]).square()
    expected = (matrix(A) * h[:, None]) @ matrix(A).mT
    torch.testing.assert_close(A.gram(h), expected)


@pytest.mark.parametrize("q", [1.2, 2.0, 11.0])
def test_row_norms(A, q):
    torch.testing.assert_close(A.row_norms(q), torch.linalg.vector_norm(matrix(A), q, dim=-1))


def test_parts_and_multiples(A):
    one, part, factor = A[1], A[1:], torch.tensor([0.5, 2.0, 3.0], dtype=torch.float64)
    w = randn(BATCH, matrix(A).shape[-1])
    torch.testing.assert_close(one.margins(w[1]), A.margins(w)[1])
    torch.testing.assert_close(part.margins(w[1:]), A.margins(w)[1:])
    torch.testing.assert_close(A.scaled(factor).margins(w), factor[:, None] * A.margins(w))
    assert torch.equal(A.scaled(factor).bound, A.bound)
    assert one.workspace == A.workspace


def test_a_row_knows_its_input_and_token():
    problem, _ = AttentionProblem.random(2, 4, 3, seed=1)
    rows = TokenProblem(problem, torch.tensor([1, 3]), None)
    names = [rows.name(0, row) for row in range(6)]
    tokens = [(0, 0), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2)]
    assert names == [f"input {i}, token {t}" for i, t in tokens]
    for row, (i, t) in enumerate(tokens):
        assert torch.equal(
            rows.constraints.lead[0, i, row % 3], problem.X[i, [1, 3][i]] - problem.X[i, t]
        )


@pytest.mark.parametrize("p", [1.05, 1.5, 2.0, 3.0, 20.0])
def test_scaling_to_the_optimum_keeps_the_bound_and_closes_the_first_order_condition(A, p):
    psi = LpPotential(p)
    multipliers = randn(*A.bound.shape).abs()
    scaled = scale_to_optimum(A, psi, multipliers)
    torch.testing.assert_close(lower_bound(A, psi, scaled), lower_bound(A, psi, multipliers))
    power = psi.dual_norm(A.pull(scaled), dim=-1) ** psi.q
    torch.testing.assert_close((A.bound * scaled).sum(-1), power)


def test_multipliers_that_pull_nowhere_stay_as_they_are():
    rows = torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]], dtype=torch.float64)
    A = SampleConstraints(rows)
    ones = torch.ones(1, 2, dtype=torch.float64)
    for p in (1.05, 2.0, 20.0):
        assert torch.equal(scale_to_optimum(A, LpPotential(p), ones), ones)
        assert lower_bound(A, LpPotential(p), ones).isinf()


def test_stand_in_rows_are_not_required():
    lead = torch.zeros(1, 1, 2, 3, dtype=torch.float64)
    bound = torch.tensor([[[1.0, -1.0]]], dtype=torch.float64)
    A = TokenConstraints(lead, torch.ones(1, 1, 3, dtype=torch.float64), bound)
    assert A.required.tolist() == [[True, False]]

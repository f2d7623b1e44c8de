"""Problems as people bring them: raw units, many rows, thin margins, labels as words."""

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from sklearn.datasets import load_breast_cancer, load_wine

from mdlib import (
    AttentionProblem,
    InfeasibleError,
    LpPotential,
    NotSolvedError,
    attention_svm,
    classifier_svm,
)


def dataset(load):
    X, y = load(return_X_y=True)
    return X, np.where(y == 0, 1, -1)


def certified(solution, rows):
    """Check the certificate from the rows alone, straight from the definition."""
    psi, rows = LpPotential(solution.p), torch.as_tensor(rows, dtype=torch.float64)
    w, m = solution.weights.flatten(), solution.multipliers.flatten()
    assert solution.gap.abs() <= 1e-8
    bound = m.sum() / psi.dual_norm(rows.T @ m)
    norm = psi.norm(w) / (rows @ w).min()
    assert norm.item() == pytest.approx(solution.norm.item(), rel=3e-8)
    assert bound.item() == pytest.approx(solution.norm.item(), rel=3e-8)
    return solution


@pytest.mark.parametrize(("p", "norm"), [(1.05, 34.771539), (2, 15.510638), (10, 8.800067)])
def test_wine_in_its_own_units(p, norm):
    X, y = dataset(load_wine)
    assert certified(classifier_svm(X, y, p), y[:, None] * X).norm == pytest.approx(norm, rel=1e-6)


@pytest.mark.parametrize(("p", "norm"), [(1.05, 48993.350), (2, 24706.241), (10, 20432.382)])
def test_breast_cancer_in_its_own_units(p, norm):
    X, y = dataset(load_breast_cancer)
    solution = certified(classifier_svm(X, y, p), y[:, None] * X)
    assert solution.norm == pytest.approx(norm, rel=1e-6)


@pytest.mark.parametrize("p", [1.5, 2, 3, 10, 20])
def test_a_column_of_ones(p):
    X, y = dataset(load_breast_cancer)
    X = np.c_[(X - X.mean(0)) / X.std(0), np.ones(len(X))]
    solution = certified(classifier_svm(X, y, p), y[:, None] * X)
    if p == 2:
        assert solution.norm == pytest.approx(718.1240, rel=1e-6)


@pytest.mark.parametrize("p", [1.05, 1.5, 2, 3, 20])
def test_thousands_of_rows_on_few_weights(p):
    rng = np.random.default_rng(0)
    normal = rng.standard_normal(20)
    normal /= np.linalg.norm(normal)
    X = rng.standard_normal((3100, 20))
    distance = X @ normal
    X, y = X[abs(distance) > 0.05], np.sign(distance[abs(distance) > 0.05])
    assert len(X) > 2890
    certified(classifier_svm(X, y, p), y[:, None] * X)


@pytest.mark.parametrize("p", [1.5, 2, 3])
def test_thousands_of_tokens_on_few_weights(p):
    generator = torch.Generator().manual_seed(0)
    X, z, W = (
        torch.randn(shape, generator=generator, dtype=torch.float64)
        for shape in ((330, 10, 4), (330, 4), (4, 4))
    )
    problem = AttentionProblem(X, torch.ones(330), z)
    tokens = problem.logits(W).argmax(-1)
    solution = attention_svm(problem, tokens, p)
    assert solution.gap.abs() <= 1e-8
    textbook = attention_svm(problem, tokens, p, solver="cvxpy")
    torch.testing.assert_close(solution.norm, textbook.norm, rtol=1e-5, atol=0)


@pytest.mark.parametrize("p", [1.05, 2, 5, 10, 20])
@pytest.mark.parametrize("small", [1e-3, 1e-6])
def test_nearly_opposite_rows_have_a_closed_form(p, small):
    solution = classifier_svm([[1, 0], [-1, small]], [1, 1], p)
    wanted = torch.tensor([1, 2 / small], dtype=torch.float64)
    torch.testing.assert_close(solution.v, wanted, rtol=1e-8, atol=0)


@pytest.mark.parametrize("p", [1.05, 1.5, 2, 3, 20])
@pytest.mark.parametrize("unit", [1e-6, 1e6])
def test_units_scale_the_norm_and_nothing_else(p, unit):
    X, y = dataset(load_wine)
    one, other = classifier_svm(X, y, p), classifier_svm(unit * X, y, p)
    assert (other.norm * unit).item() == pytest.approx(one.norm.item(), rel=2e-8)


def test_sparse_features_are_taken():
    X = np.eye(4)
    y = np.array([1, -1, 1, -1])
    for kind in (scipy.sparse.csr_matrix, scipy.sparse.csr_array, scipy.sparse.coo_array):
        assert classifier_svm(kind(X), y, 2).v.tolist() == pytest.approx(y)


def test_numbers_kept_as_objects_are_taken():
    solution = classifier_svm(np.array([[2.0], [-4.0]], dtype=object), [1, -1], 3)
    assert solution.v.item() == pytest.approx(0.5)


@pytest.mark.parametrize("labels", [["benign", "malignant"], np.array(["benign", 1], dtype=object)])
def test_words_as_labels_name_their_remedy(labels):
    wanted = r"must be real numbers, got 'benign'; write np\.where\(labels == 'benign', 1, -1\)"
    with pytest.raises(ValueError, match=wanted):
        classifier_svm([[1.0], [2.0]], labels, 2)


def test_words_as_features_are_refused():
    with pytest.raises(ValueError, match="features must be real numbers, got 'a'"):
        classifier_svm([["a"], ["b"]], [1, -1], 2)


def test_a_classifier_without_intercept_is_told_of_it():
    with pytest.raises(InfeasibleError, match="Add a column of ones") as caught:
        classifier_svm([[1.0], [2.0], [3.0]], [-1, 1, 1], 2)
    assert "token" not in str(caught.value)
    ones = [[1.0, 1], [2.0, 1], [3.0, 1]]
    assert classifier_svm(ones, [-1, 1, 1], 2).gap.abs() <= 1e-8


def test_a_miss_says_after_how_many_steps_and_what_held_it_up():
    X, y = dataset(load_breast_cancer)
    with pytest.raises(NotSolvedError, match=r"after \d+ steps reached .* of the longest row's"):
        classifier_svm(X, y, 20, tol=1e-15)


def test_a_solution_says_how_it_was_found():
    solution = classifier_svm([[[1.0, 2.0]], [[3.0, 4.0]]], [[1], [1]], 1.5)
    assert solution.method == "interior point"
    assert solution.steps.shape == (2,)
    assert (solution.steps < 30).all()


def margin_by_linprog(rows):
    """The largest margin in the box, its rows and columns scaled to a largest entry of 1."""
    A = rows / abs(rows).max(1, keepdims=True)
    A = A / np.where(A.any(0), abs(A).max(0), 1)
    m, d = A.shape
    found = linprog(
        np.r_[np.zeros(d), -1], np.c_[-A, np.ones(m)], np.zeros(m),
        bounds=[(-1, 1)] * d + [(None, 1)],
    )  # fmt: skip
    return -found.fun


@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 40),
    d=st.integers(1, 12),
    p=st.sampled_from([1.05, 1.1, 1.5, 1.9, 2.0, 2.1, 3.0, 6.0, 10.0, 20.0]),
    planted=st.booleans(),
    columns=st.floats(0, 2),
    rows=st.floats(0, 2),
    unit=st.sampled_from([1e-6, 1.0, 1e6]),
    twins=st.booleans(),
    ones=st.booleans(),
    whole=st.booleans(),
)
def test_every_problem_ends_in_an_answer_or_a_proof(
    seed, n, d, p, planted, columns, rows, unit, twins, ones, whole
):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = np.sign(X @ rng.standard_normal(d)) if planted else rng.choice([-1.0, 1.0], n)
    X = np.round(2 * X) + (np.arange(d) == 0) if whole else X
    X *= 10 ** rng.uniform(-columns, columns, d) * 10 ** rng.uniform(-rows, rows, (n, 1)) * unit
    if twins:
        X[n // 2 :], y[n // 2 :] = X[0], y[0]
    if ones:
        X = np.c_[X, unit * np.ones(n)]
    X, y = X[X.any(1)], y[X.any(1)]
    if not len(X):
        return
    rows = y[:, None] * X
    try:
        certified(classifier_svm(X, y, p), rows)
    except InfeasibleError:
        assert margin_by_linprog(rows) <= 1e-7

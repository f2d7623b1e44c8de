"""Gradients of solutions against finite differences."""

import pytest
import torch

from mdlib import AttentionProblem, attention_svm, classifier_svm

STEP = 1e-6
TOL = 3e-11  # finite differences magnify what the solution is off by
RTOL = {1.1: 1e-5, 1.5: 1e-6, 2: 1e-6, 3: 1e-5, 8: 1e-5}  # of central differences


def randn(*shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def central(value, *directions):
    up, down = ([s * STEP * x for x in directions] for s in (1, -1))
    with torch.no_grad():
        return (value(*up) - value(*down)) / (2 * STEP)


@pytest.mark.parametrize("p", RTOL)
def test_dragging_tokens_and_queries(p):
    problem, v = AttentionProblem.random(6, 8, 10, seed=2)
    tokens = problem.optimal_tokens(v)
    scale = attention_svm(problem, tokens, p).multipliers.max()

    def value(dX, dz):
        moved = AttentionProblem(problem.X + dX, problem.y, problem.z + dz)
        solution = attention_svm(moved, tokens, p, tol=TOL)
        margins = solution.margins.where(solution.margins.isfinite(), 0.0)
        parts = solution.W, margins, solution.multipliers / scale, solution.norm
        weights = (randn(*part.shape, seed=k) for k, part in enumerate(parts))
        return sum((a * b).sum() for a, b in zip(parts, weights, strict=True))

    dX, dz = torch.zeros(6, 8, 10).double(), torch.zeros(6, 10).double()
    value(dX.requires_grad_(), dz.requires_grad_()).backward()
    X_way, z_way = randn(6, 8, 10, seed=4), randn(6, 10, seed=5)
    expected = central(value, X_way, z_way)
    found = (dX.grad * X_way).sum() + (dz.grad * z_way).sum()
    torch.testing.assert_close(found, expected, rtol=RTOL[p], atol=1e-6)


@pytest.mark.parametrize("p", RTOL)
def test_the_norm_of_a_classifier_moves_by_the_multipliers(p):
    """The envelope theorem: d norm / d x_i = -lambda_i y_i v / norm^(p-1)."""
    x, y = randn(5, 20, seed=1), torch.tensor([1.0, -1, 1, -1, 1]).double()
    x.requires_grad_()
    solution = classifier_svm(x, y, p)
    solution.norm.backward()
    pull = solution.multipliers * y / solution.norm ** (p - 1)
    torch.testing.assert_close(x.grad, (-pull[:, None] * solution.v).detach(), rtol=1e-4, atol=1e-7)


def test_a_batch_is_its_problems_one_by_one():
    x, y = randn(3, 4, 6, seed=1).requires_grad_(), torch.tensor([1.0, -1, 1, -1]).double()
    weights = randn(3, 6, seed=2)
    (classifier_svm(x, y.expand(3, 4), 1.5).v * weights).sum().backward()
    for i in range(3):
        one = x[i].detach().requires_grad_()
        (classifier_svm(one, y, 1.5).v @ weights[i]).backward()
        torch.testing.assert_close(one.grad, x.grad[i], rtol=1e-6, atol=1e-9)


def test_twins_share_the_gradient():
    """Rows that depend on each other: the norm still has the slope of moving both."""
    x, y = torch.tensor([[3.0, 1.0], [3.0, 1.0], [1.0, -4.0]]).double(), torch.tensor([1.0, 1, -1])
    x.requires_grad_()
    classifier_svm(x, y, 2).norm.backward()
    way = torch.tensor([[1.0, 2.0], [1.0, 2.0], [-1.0, 0.5]]).double()
    expected = central(lambda d: classifier_svm(x.detach() + d, y, 2).norm, way)
    torch.testing.assert_close((x.grad * way).sum(), expected, rtol=1e-6, atol=0.0)


def test_no_graph_unless_asked_for():
    problem, v = AttentionProblem.random(3, 4, 6, seed=1)
    tokens = problem.optimal_tokens(v)
    assert not attention_svm(problem, tokens, 2).W.requires_grad
    tracked = AttentionProblem(problem.X.clone().requires_grad_(), problem.y, problem.z)
    assert attention_svm(tracked, tokens, 2).W.requires_grad
    with torch.no_grad():
        assert not attention_svm(tracked, tokens, 2).W.requires_grad

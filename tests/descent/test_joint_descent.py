"""joint_descent: mirror descent on W and v together, each by its own gradient."""

import math

import pytest
import torch

from mdlib import (
    AttentionProblem,
    Hypentropy,
    LpPotential,
    classifier_svm,
    directional_divergence,
    joint_descent,
)
from mdlib.attention import LOSSES
from tests.support.problems import chosen


def slow_twin(problem, p, steps, lr, normalize, W, v, loss):
    """The algorithm of the paper, with autograd's gradients."""
    maps = [LpPotential(p_) for p_ in p]
    for _ in range(steps):
        W, v = W.detach().requires_grad_(), v.detach().requires_grad_()
        gradients = torch.autograd.grad(problem.risk(W, v, loss), (W, v))
        new = []
        for x, g, psi, eta in zip((W, v), gradients, maps, lr, strict=True):
            norm = psi.dual_norm(g) if normalize else 1.0
            new.append(psi.inverse(psi.mirror(x) - eta * g / norm))
        W, v = new
    return W.detach(), v.detach()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("p", [(1.5, 1.5), (2, 3), (1.75, 4)])
def test_it_is_the_paper_s_algorithm(p, normalize, loss, seed):
    problem, v0 = AttentionProblem.random(n=4, T=5, d=3, seed=seed + 1)
    W0 = torch.randn(3, 3, dtype=torch.float64, generator=torch.manual_seed(seed))
    lr = (0.02, 0.03)
    run = joint_descent(problem, p, 25, lr, normalize, W0, v0, loss)
    W, v = slow_twin(problem, p, 25, lr, normalize, W0, v0, loss)
    torch.testing.assert_close(run.W[-1], W, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(run.v[-1], v, rtol=1e-8, atol=1e-9)
    torch.testing.assert_close(run.risk[-1], problem.risk(W, v, loss))
    assert torch.equal(run.W[0], W0)
    assert torch.equal(run.v[0], v0)


def test_a_batch_is_the_loop_over_its_problems():
    problems, _ = AttentionProblem.random(n=3, T=4, d=3, seed=[1, 2, 3])
    together = joint_descent(problems, 1.5, 60, 0.05)
    for i in range(3):
        one = AttentionProblem(problems.X[i], problems.y[i], problems.z[i])
        alone = joint_descent(one, 1.5, 60, 0.05)
        for name in ("W", "v", "risk", "attention", "log_time", "log_time_v"):
            torch.testing.assert_close(getattr(together, name)[:, i], getattr(alone, name))


def test_from_zero_v_goes_first():
    """While v is zero no token is worth more than another: W has no gradient, and no time."""
    problem, _ = AttentionProblem.random(n=4, T=5, d=3, seed=1)
    run = joint_descent(problem, 2, 2, record=[0, 1, 2])
    assert (run.W[1] == 0).all()
    assert (run.v[1] != 0).any()
    assert run.log_time[1] == -math.inf
    assert run.log_time_v[1].isfinite()
    assert (run.W[2] != 0).any()


def test_potentials_of_one_s_own_and_a_rate_for_each():
    problem, v0 = AttentionProblem.random(n=4, T=5, d=3, seed=1)
    lr = (lambda k: 0.1 / k, 0.2)
    run = joint_descent(problem, (Hypentropy(0.5), 2), 5, lr, normalize=False, v0=v0)
    W, v = torch.zeros(3, 3, dtype=torch.float64), v0.clone()
    for k in range(1, 6):
        leaf_W, leaf_v = W.requires_grad_(), v.requires_grad_()
        in_W, in_v = torch.autograd.grad(problem.risk(leaf_W, leaf_v), (leaf_W, leaf_v))
        W = (0.5 * torch.sinh(torch.asinh(W / 0.5) - 0.1 / k * in_W)).detach()
        v = (v - 0.2 * in_v).detach()
    torch.testing.assert_close(run.W[-1], W)
    torch.testing.assert_close(run.v[-1], v)


def test_it_goes_on_when_every_slope_has_underflowed():
    """Margins of thousands: exp(-m) is 0 in float64, and the directions still improve."""
    problem, tokens = AttentionProblem.planted(4, 5, 6, 2, seed=1)
    run = joint_descent(problem, 2, 30_000, record=[10_000, 30_000])
    margins = problem.y * problem.predict(run.W, run.v)
    assert margins.min() > 750
    goal = classifier_svm(chosen(problem, tokens), problem.y, 2).v
    off = directional_divergence(run.v, goal, 2, dim=-1)
    assert off[1] < off[0] / 5 < 1e-7


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"v0": torch.zeros(2)}, ValueError, r"v0 must be real, of shape \(\.\.\., 3\)"),
        ({"v0": torch.tensor([0.0, math.inf, 0.0])}, ValueError, r"v0 must be finite, got inf"),
        ({"W0": torch.zeros(3)}, ValueError, r"W0 must be real"),
        ({"lr": (0.1, -1.0)}, ValueError, r"lr must be finite and positive, got -1\.0"),
        ({"p": (2, 1.0)}, ValueError, "p must be a finite number above 1"),
        ({"lr": (0.1, 1e17), "p": (2, 1.05)}, FloatingPointError, "v is no longer finite by step"),
    ],
)
def test_bad_arguments_are_refused(arguments, error, message):
    problem, _ = AttentionProblem.random(n=4, T=5, d=3, seed=1)
    with pytest.raises(error, match=message):
        joint_descent(problem, **({"p": 2, "steps": 10} | arguments))

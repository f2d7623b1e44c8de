"""joint_path against a numerical optimiser, and the ball of the decoder."""

import sys

import pytest
import torch
from scipy.optimize import minimize

from mdlib import (
    AttentionProblem,
    Hypentropy,
    LpPotential,
    attention_svm,
    classifier_svm,
    directional_divergence,
    joint_descent,
    joint_path,
    margin_shrinkage,
)
from mdlib.attention import LOSSES, MATRIX
from mdlib.path.ball import DecoderBall
from mdlib.svm import label_margin
from mdlib.svm.shrinkage import LEAKS

# ---- the joint path -----------------------------------------------------------------------------


@pytest.mark.parametrize("loss", ["logistic", "exponential"])
@pytest.mark.parametrize(("p", "r", "R"), [(2, 2.0, 3.0), (1.5, 5.0, 1.0), (3, 1.0, 6.0)])
def test_the_path_is_no_worse_than_a_numerical_optimiser(p, r, R, loss):
    problem, _ = AttentionProblem.random(n=3, T=3, d=2, seed=1)
    path = joint_path(problem, p, [r], [R], loss=loss)
    psi = LpPotential(p)
    assert psi.norm(path.W[-1], dim=MATRIX) <= R * (1 + 1e-9)
    assert psi.norm(path.v[-1], dim=-1) <= r * (1 + 1e-9)

    def split(x):
        x = torch.tensor(x)
        return x[:4].view(2, 2), x[4:]

    def risk(x):
        return problem.risk(*split(x), loss).item()

    inside = [
        {"type": "ineq", "fun": lambda x: R - psi.norm(split(x)[0], dim=MATRIX).item()},
        {"type": "ineq", "fun": lambda x: r - psi.norm(split(x)[1], dim=-1).item()},
    ]
    draws = torch.randn(12, 6, dtype=torch.float64, generator=torch.manual_seed(0))
    ends = [minimize(risk, x.numpy(), constraints=inside, tol=1e-10) for x in draws]
    best = min(end.fun for end in ends if min(c["fun"](end.x) for c in inside) > -1e-6)
    assert path.log_risk[-1].exp().item() <= best + 1e-6
    assert max(path.residual_W[-1], path.residual_v[-1]) <= 1e-6


@pytest.mark.parametrize("p", [1.5, 3])
def test_short_turns_are_taken_until_both_weights_have_arrived(p, monkeypatch):
    monkeypatch.setattr(sys.modules["mdlib.path.joint"], "_TURN", 3)
    problems, _ = AttentionProblem.random(n=3, T=4, d=3, seed=[1, 2, 3])
    path = joint_path(problems, p, [1, 5], [1, 5], starts=0, rounds=300)
    assert path.residual_v.max() <= 1e-8
    assert path.residual_W.max() <= 1e-8


def test_the_risk_never_rises_and_the_parts_agree():
    problems, _ = AttentionProblem.planted(4, 4, 5, 2, seed=[1, 2])
    path = joint_path(problems, 2, [0.5, 2, 8, 32], lambda r: 3 * r.sqrt())
    assert (path.log_risk.diff(dim=0) < 0).all()
    assert path.R.tolist() == pytest.approx([3 * r**0.5 for r in (0.5, 2, 8, 32)])
    risk = problems.risk(path.W, path.v)
    torch.testing.assert_close(path.log_risk.exp(), risk, rtol=1e-9, atol=1e-15)
    torch.testing.assert_close(path.attention, problems.attention(path.W))
    assert (path.spread >= 0).all()
    alone = AttentionProblem(problems.X[1], problems.y[1], problems.z[1])
    one = joint_path(alone, 2, [0.5, 2, 8, 32], lambda r: 3 * r.sqrt())
    torch.testing.assert_close(one.log_risk, path.log_risk[:, 1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"r": [2, 1]}, r"r must be positive and increasing, got \[2\.0, 1\.0\]"),
        ({"R": [0, 1]}, "R must be positive and increasing"),
        ({"R": [1, 2, 3]}, "r and R must be equally long, got 2 and 3"),
        ({"loss": "linear"}, "loss must be positive, so logistic or exponential; got 'linear'"),
        ({"loss": "hinge"}, "got 'hinge'"),
        ({"starts": -1}, "starts must be at least 0, got -1"),
        ({"tol": 0.0}, "tol must be positive"),
        ({"rounds": 0}, "rounds must be at least 1, got 0"),
    ],
)
def test_bad_paths_are_refused(arguments, message):
    problem, _ = AttentionProblem.random(n=3, T=3, d=2, seed=1)
    with pytest.raises(ValueError, match=message):
        joint_path(problem, 2, **({"r": [1, 2], "R": [1, 2]} | arguments))


@pytest.mark.parametrize("loss", ["logistic", "exponential"])
def test_the_decoder_ball_is_the_log_risk(loss, seed):
    torch.manual_seed(seed)
    features = torch.randn(2, 4, 3, dtype=torch.float64)
    ball = DecoderBall(features, 5.0, LpPotential(1.5), loss)
    w = torch.randn(2, 1, 3, dtype=torch.float64) * 0.1
    w.requires_grad_()
    value = LOSSES[loss].value((features * (5.0 * w)).sum(-1)).mean(-1).log()
    (slope,) = torch.autograd.grad(value.sum(), w)
    point = ball.at(w.detach())
    torch.testing.assert_close(point.value[:, 0, 0], value.detach())
    torch.testing.assert_close(-point.pull * point.log_slope.exp(), slope)

"""Losses of a margin: they fall, and their slopes and values keep a logarithm in both tails."""

import pytest
import torch
from mpmath import mp

from mdlib import AttentionProblem
from mdlib.attention.losses import LOSSES, log_value, loss_named

BOUNDED = ["logistic", "exponential"]


@pytest.mark.parametrize("name", LOSSES)
def test_the_log_slope_is_that_of_the_value(name):
    u = torch.linspace(-30, 30, 601, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(LOSSES[name].value(u).sum(), u)
    assert (slope < 0).all()
    torch.testing.assert_close(LOSSES[name].log_slope(u.detach()).exp(), -slope, rtol=1e-12, atol=0)


@pytest.mark.parametrize("name", BOUNDED)
def test_the_log_slope_goes_on_where_the_slope_underflows(name):
    u = torch.tensor([800.0, 1e6], dtype=torch.float64)
    assert torch.equal(LOSSES[name].log_slope(u), -u)


@pytest.mark.parametrize("loss", BOUNDED)
def test_the_log_of_a_loss(loss):
    u = torch.linspace(-50, 700, 5001, dtype=torch.float64)
    torch.testing.assert_close(log_value(loss, u).exp(), LOSSES[loss].value(u), rtol=1e-12, atol=0)
    far = torch.tensor([1e4, 1e9], dtype=torch.float64)
    assert torch.equal(log_value(loss, far), -far)


def test_only_a_positive_loss_has_a_logarithm():
    with pytest.raises(ValueError, match="must be positive, so logistic or exponential; got 'lin"):
        log_value("linear", torch.zeros(1))


@pytest.mark.parametrize("look_up", [loss_named, lambda name: log_value(name, torch.zeros(1))])
def test_an_unknown_loss_names_those_there_are(look_up):
    with pytest.raises(ValueError, match="one of logistic, exponential, linear; got 'hinge'"):
        look_up("hinge")


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("margin", [-1e4, -800, -300, -100, -21, -1, 0, 1, 21, 80, 300, 700])
def test_the_logistic_risk_keeps_both_tails(margin, dtype):
    """log(1 + exp(-u)) is about exp(-u), 1e-131 and not 0, on one side, and -u on the other."""
    problem = AttentionProblem(torch.ones(1, 1, 1, dtype=dtype), [1.0], torch.ones(1, 1))
    v, W = torch.full((1,), margin, dtype=dtype), torch.zeros(1, 1, dtype=dtype)
    expected = float(mp.log1p(mp.exp(-margin)))
    rtol = 4 * torch.finfo(dtype).eps
    smallest = torch.finfo(dtype).smallest_normal
    assert problem.risk(W, v).item() == pytest.approx(expected, rel=rtol, abs=smallest)

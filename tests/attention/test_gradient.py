"""The gradient of the risk: autograd's while attention is soft, and exact once formulas cancel."""

import math

import pytest
import torch
from mpmath import mp, mpf

from mdlib import AttentionProblem
from mdlib.attention import LOSSES, RiskGradient
from tests.support.problems import autograd, draw

every_loss = pytest.mark.parametrize("loss", LOSSES)


@every_loss
@pytest.mark.parametrize("masked", [False, True])
def test_the_gradient_is_autograd_s_while_attention_is_soft(loss, masked):
    problem, W, v = draw(5, masked=masked)
    expected = autograd(problem, W, v, loss)
    torch.testing.assert_close(problem.gradient(W, v, loss), expected, rtol=1e-12, atol=1e-13)


@every_loss
def test_the_gradient_is_the_slope_of_the_risk(loss):
    problem, W, v = draw()
    step = 1e-5 * torch.randn(3, 3).double()
    rise = problem.risk(W + step, v, loss) - problem.risk(W - step, v, loss)
    slope = 2 * (problem.gradient(W, v, loss) * step).sum()
    assert rise.item() == pytest.approx(slope.item(), rel=1e-6)


def textbook_gradient(problem, W, v, loss):
    """sum_i loss'(m_i) / n * sum_t s_it (gamma_it - m_i) X_it z_i^T, by the definition."""
    n, T, d = problem.X.shape
    slopes = {
        "logistic": lambda u: -1 / (1 + mp.exp(u)),
        "exponential": lambda u: -mp.exp(-u),
        "linear": lambda u: mpf(-1),
    }
    to_mp = lambda x: [to_mp(row) for row in x] if isinstance(x, list) else mpf(x)  # noqa: E731
    X, y, z, W, v = (to_mp(x.tolist()) for x in (problem.X, problem.y, problem.z, W, v))
    dot = lambda a, b: mp.fsum(s * t for s, t in zip(a, b, strict=True))  # noqa: E731
    total = mp.zeros(d, d)
    for i in range(n):
        query = [dot(row, z[i]) for row in W]
        weights = [mp.exp(dot(token, query)) for token in X[i]]
        s = [w / mp.fsum(weights) for w in weights]
        gamma = [y[i] * dot(token, v) for token in X[i]]
        m = dot(s, gamma)
        for t in range(T):
            factor = slopes[loss](m) / n * s[t] * (gamma[t] - m)
            total += factor * mp.matrix(X[i][t]) * mp.matrix(z[i]).T
    return total


@every_loss
@pytest.mark.parametrize("gap", [0.0, 1.0, 50.0, 500.0, 5000.0])
@pytest.mark.parametrize("T", [2, 4])
def test_the_gradient_stays_exact_after_saturation(gap, T, loss):
    """The definition needs 60 digits and those that saturation cancels; the library needs 16.

    Integer data and weights keep the logits exact, so that the gap alone is what is tested.
    """
    X, z = (torch.randint(-3, 4, shape).double() for shape in ((2, T, 3), (2, 3)))
    z[:, 0] = 1  # a query that is not zero
    X[:, 1, 0] = X[:, 0, 0] + 1
    X[:, 2:, 0] = X[:, :1, 0]  # then the first coordinate alone makes token 1 lead by the gap
    W = torch.zeros(3, 3).double()
    W[0, 0] = gap
    problem, v = AttentionProblem(X, [1.0, -1.0], z), torch.tensor([1.0, 2.0, -1.0]).double()
    with mp.workdps(int(60 + 2 * gap / math.log(10))):
        exact = textbook_gradient(problem, W, v, loss)
    direction, log_scale = problem.scaled_gradient(W, v, loss)
    assert direction.isfinite().all()
    assert direction.abs().max() > 1e-4
    with mp.workdps(60):
        largest = max(abs(entry) for entry in exact)
        for i in range(3):
            for j in range(3):
                found = mpf(direction[i, j].item()) * mp.exp(mpf(log_scale.item()))
                assert abs(found - exact[i, j]) <= 1e-10 * abs(exact[i, j]) + 1e-13 * largest


def test_two_tokens_that_share_the_attention_after_saturation():
    X = torch.tensor([[[1.0, 1.0], [1.0, -1.0], [-9.0, 5.0]]]).double()
    problem, v = AttentionProblem(X, [1], [[1.0, 0.0]]), torch.tensor([0.0, 1.0]).double()
    W = torch.tensor([[100.0, 0.0], [0.0, 0.0]]).double()
    torch.testing.assert_close(problem.gradient(W, v), autograd(problem, W, v, "logistic"))
    assert problem.gradient(W, v)[1, 0] == -0.5  # -1/2 (1/2 (1)(1) + 1/2 (-1)(-1))


def test_one_token_leaves_nothing_to_learn():
    problem, W, v = draw(T=1)
    assert torch.equal(problem.attention(W), torch.ones(4, 1).double())
    assert (problem.gradient(W, v) == 0).all()
    assert problem.scaled_gradient(W, v)[1] == 0
    mask = torch.zeros(4, 5, dtype=torch.bool)
    mask[:, 2] = True
    problem, W, v = draw()
    lonely = AttentionProblem(problem.X, problem.y, problem.z, mask)
    assert (lonely.gradient(W, v) == 0).all()


@every_loss
def test_one_input(loss):
    problem, W, v = draw(n=1)
    torch.testing.assert_close(problem.gradient(W, v, loss), autograd(problem, W, v, loss))


def test_a_copy_of_the_top_token_does_not_hide_the_direction():
    X = [[[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]
    problem = AttentionProblem(X, y=[1], z=[[1.0, 0.0]])
    G, log_scale = problem.scaled_gradient(
        torch.diag(torch.tensor([5000.0, 0.0])), torch.tensor([1.0, 0.0])
    )
    assert G.abs().max() > 0.1
    assert log_scale < -4000


# ---- prepared once ------------------------------------------------------------------------------


@every_loss
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("weights", [(), (4,), (5, 1), (5, 4)])
@pytest.mark.parametrize("decoders", [(), (4,), (2, 1, 4)])
def test_one_preparation_serves_many_weights(loss, masked, weights, decoders):
    problem, v = AttentionProblem.random(n=3, T=5, d=3, seed=range(1, 5))
    mask = torch.arange(5) < torch.randint(1, 6, (4, 3, 1)) if masked else None
    problem = AttentionProblem(problem.X, problem.y, problem.z, mask)
    v = torch.randn(*decoders, 3).double()
    gradient = RiskGradient(problem, v, loss, weights)
    assert gradient.batch == torch.broadcast_shapes((4,), weights, decoders)
    for scale in (0.0, 1.0, 1e4):
        W = scale * torch.randn(*weights, 3, 3).double()
        G, log_scale = gradient(gradient.flat(W))
        expected, expected_scale = problem.scaled_gradient(W, v, loss)
        assert expected_scale.shape == gradient.batch
        assert torch.equal(G.view(*gradient.batch, 3, 3), expected)
        assert torch.equal(log_scale.view(gradient.batch), expected_scale)
        if scale <= 1:
            spread = W.expand(*gradient.batch, 3, 3).clone().requires_grad_()
            (slope,) = torch.autograd.grad(problem.risk(spread, v, loss).sum(), spread)
            torch.testing.assert_close((G * log_scale.exp()).view_as(slope), slope)


@pytest.mark.parametrize("gap", [5.0, 50.0, 700.0, 800.0, 5000.0])
def test_two_tokens_that_tie_in_logit_and_in_score_share_the_pull(gap):
    """s = (1, 1, e^-gap)/2 and scores (0, 0, 1): the third pulls away from the mean of the two."""
    X = torch.tensor([[[1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [0.0, 0.0, 1.0]]]).double()
    problem = AttentionProblem(X, y=[1], z=[[1.0, 0.0, 0.0]])
    v = torch.tensor([0.0, 0.0, 1.0])
    G, log_scale = problem.scaled_gradient(torch.diag(gap * v.flip(0)), v, "linear")
    s = 1 / (2 + math.exp(-gap))
    expected = 2 * s * s * torch.tensor([1.0, 0.0, -1.0]).double()
    torch.testing.assert_close(G[:, 0] * (log_scale + gap).exp(), expected, rtol=1e-11, atol=1e-12)
    assert (G[:, 1:] == 0).all()


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_the_direction_does_not_depend_on_the_size_of_the_scores(size):
    problem, W, v = draw()
    G, log_scale = problem.scaled_gradient(W, v, "linear")
    resized, resized_scale = problem.scaled_gradient(W, size * v, "linear")
    torch.testing.assert_close(resized, G, rtol=1e-12, atol=1e-12)
    assert (resized_scale - log_scale).item() == pytest.approx(math.log(size))

"""attention_descent against six lines of autograd, and what it records."""

import math
import time

import numpy as np
import pytest
import torch

from mdlib import (
    AttentionProblem,
    Hypentropy,
    LpPotential,
    NegativeEntropy,
    Potential,
    attention_descent,
)
from mdlib.attention.gradient import RiskGradient

PS = [1.1, 1.5, 1.75, 2, 3, 10]


def start(*batch, d=3):
    return torch.randn(*batch, d, d).double()


def slow_twin(problem, v, p, steps, lr, normalize, W, loss):
    """The algorithm of the paper, with autograd's gradient; returns W and the flow's time."""
    time = 0.0
    for _ in range(steps):
        W = W.detach().requires_grad_()
        (g,) = torch.autograd.grad(problem.risk(W, v, loss), W)
        norm = (g.abs() ** (p / (p - 1))).sum() ** (1 - 1 / p) if normalize else 1.0
        dual = W.sign() * W.abs() ** (p - 1) - lr * g / norm
        W, time = dual.sign() * dual.abs() ** (1 / (p - 1)), time + lr / norm
    return W, time


@pytest.mark.parametrize("loss", ["logistic", "exponential", "linear"])
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("p", PS)
def test_it_is_the_paper_s_algorithm(toy, p, normalize, loss):
    problem, v = toy
    W0 = start()
    run = attention_descent(problem, v, p, 25, 0.02, normalize, W0, loss)
    W, time = slow_twin(problem, v, p, 25, 0.02, normalize, W0, loss)
    torch.testing.assert_close(run.W[-1], W.detach(), rtol=1e-8, atol=1e-9)
    assert run.log_time[-1].item() == pytest.approx(math.log(time), rel=1e-9)
    assert torch.equal(run.W[0], W0)
    assert run.log_time[0] == -math.inf


def test_any_potential_will_do(toy):
    problem, v = toy
    W = W0 = start()
    run = attention_descent(problem, v, Hypentropy(0.1), 20, lr=0.3, normalize=False, W0=W0)
    for _ in range(20):
        W = 0.1 * torch.sinh(torch.asinh(W / 0.1) - 0.3 * problem.gradient(W, v))
    torch.testing.assert_close(run.W[-1], W, rtol=1e-9, atol=1e-10)
    positive = attention_descent(problem, v, NegativeEntropy(), 20, W0=W0.abs())
    assert (positive.W > 0).all()
    assert positive.risk[-1] < positive.risk[0]
    assert torch.equal(
        attention_descent(problem, v, 3, 5).W, attention_descent(problem, v, LpPotential(3), 5).W
    )


class Euclid(Potential):
    """Half the squared length, whose mirror map hands back the very tensor it was given."""

    def value(self, w, dim=None):
        return w.square().sum(dim) / 2

    def mirror(self, w):
        return w

    def inverse(self, y):
        return y

    def dual_norm(self, g, dim=None, keepdim=False):
        return torch.linalg.vector_norm(g, dim=dim, keepdim=keepdim)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_map_may_return_its_argument(toy, normalize):
    W0 = start(2)
    before = W0.clone()
    run = attention_descent(*toy, Euclid(), 10, 0.1, normalize, W0, record=range(11))
    expected = attention_descent(*toy, 2, 10, 0.1, normalize, W0, record=range(11))
    torch.testing.assert_close(run.W, expected.W)
    assert torch.equal(W0, before)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("p", [1.5, 3])
def test_a_batch_is_the_loop_over_its_problems(p, normalize):
    problems, v = AttentionProblem.random(n=3, T=4, d=3, seed=[1, 2, 3])
    W0 = start(3)
    together = attention_descent(problems, v, p, 60, 0.05, normalize, W0)
    for i in range(3):
        one = AttentionProblem(problems.X[i], problems.y[i], problems.z[i])
        alone = attention_descent(one, v[i], p, 60, 0.05, normalize, W0[i])
        for name in ("W", "risk", "attention", "log_time"):
            ours, theirs = getattr(together, name)[:, i], getattr(alone, name)
            torch.testing.assert_close(ours, theirs, rtol=1e-8, atol=1e-10)
        assert torch.equal(together.selected[i], alone.selected)


def test_one_problem_from_many_starts_or_with_many_decoders(toy):
    problem, v = toy
    W0 = start(4)
    fan = attention_descent(problem, v, 1.5, 10, W0=W0)
    for i in range(4):
        alone = attention_descent(problem, v, 1.5, 10, W0=W0[i])
        torch.testing.assert_close(fan.W[:, i], alone.W, rtol=1e-8, atol=1e-10)
        torch.testing.assert_close(fan.log_time[:, i], alone.log_time)
    for first in (None, W0[0]):
        pair = attention_descent(problem, torch.stack([v, -v]), 1.5, 10, W0=first)
        for i, decoder in enumerate((v, -v)):
            alone = attention_descent(problem, decoder, 1.5, 10, W0=first)
            torch.testing.assert_close(pair.W[:, i], alone.W, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("p", [1.5, 2, 3])
def test_the_risk_falls_the_norm_grows_and_attention_selects(p):
    problems, v = AttentionProblem.random(n=4, T=5, d=8, seed=range(1, 9))
    run = attention_descent(problems, v, p, 400)
    norms = LpPotential(p).norm(run.W, dim=(-2, -1))
    assert (run.risk[-1] < run.risk[0]).all()
    assert (norms[-1] > 2 * norms[len(norms) // 2]).all()
    best = run.attention[-1].gather(-1, run.selected[..., None])
    assert best.median() > 0.9
    assert torch.equal(run.selected, run.attention[-1].argmax(-1))


def test_it_goes_on_after_softmax_saturates(seed):
    """In float64 the loss has come to its end; the steps have not, nor has the flow's time."""
    problem, v = AttentionProblem.random(n=4, T=5, d=10, seed=seed + 1)
    run = attention_descent(problem, v, 2, 4_000, lr=3.0, record=[1_000, 2_000, 4_000])
    assert run.W.isfinite().all()
    assert (run.log_time.diff() > 100).all()
    assert run.log_time[-1] > 710  # exp of it is inf
    norms = run.W.flatten(1).norm(dim=-1)
    assert norms[-1] > 1.5 * norms[1] > 2 * norms[0]


def test_the_smallest_step_is_not_lost_in_the_dual(toy):
    """p = 1.1 from 0: a step of 1e-33 in the dual is 1e-330 in W, so 0; 500 of them are not."""
    run = attention_descent(*toy, 1.1, 500, lr=1e-33, record=[1, 500])
    assert (run.W[0] == 0).all()
    assert run.W[1].abs().max() > 0


# ---- records ------------------------------------------------------------------------------------


def test_a_number_of_records_is_spread_over_the_decades(toy):
    steps = attention_descent(*toy, 2, 1000, record=30).steps
    assert steps[0] == 0
    assert steps[-1] == 1000
    assert (steps.diff() > 0).all()
    assert 15 <= len(steps) <= 30
    assert (steps[1:] < 32).sum() == pytest.approx((steps >= 32).sum(), abs=8)
    assert attention_descent(*toy, 2, 1000, record=2).steps.tolist() in ([0, 1], [0, 1000])


@pytest.mark.parametrize("record", [[0, 3, 7], [7, 0, 3, 3], range(0, 8, 7), (5,), [8]])
def test_named_steps_are_recorded_in_order(toy, record):
    full = attention_descent(*toy, 1.5, 8, record=range(9))
    run = attention_descent(*toy, 1.5, 8, record=record)
    wanted = sorted(set(record))
    assert run.steps.tolist() == wanted
    assert full.steps.tolist() == list(range(9))
    for name in ("W", "risk", "attention", "log_time"):
        assert torch.equal(getattr(run, name), getattr(full, name)[wanted])


def test_records_are_what_the_problem_says_of_w(toy):
    problem, v = toy
    run = attention_descent(problem, v, 1.5, 30, loss="exponential")
    torch.testing.assert_close(run.risk, problem.risk(run.W, v, "exponential"))
    torch.testing.assert_close(run.attention, problem.attention(run.W))
    assert run.W.shape == (len(run.steps), 3, 3)
    assert run.risk.shape == run.log_time.shape == run.steps.shape


def test_the_rate_may_change_by_step(toy):
    seen = []

    def rate(k):
        seen.append(k)
        return 0.1 / k

    run = attention_descent(*toy, 2, 5, lr=rate, record=range(6))
    assert seen[-5:] == [1, 2, 3, 4, 5]
    lengths = run.W.diff(dim=0).flatten(1).norm(dim=-1)  # at p = 2 a normalised step has length lr
    assert lengths.tolist() == pytest.approx([0.1 / k for k in range(1, 6)])


def test_plain_steps_take_lr_of_time_each(toy):
    run = attention_descent(*toy, 3, 40, lr=0.2, normalize=False, record=[10, 40])
    assert run.log_time.exp().tolist() == pytest.approx([2.0, 8.0])


def test_a_problem_without_a_choice_stands_still():
    """One token an input: the gradient is zero, normalised or not, and no time passes."""
    problem, v = AttentionProblem.random(n=3, T=1, d=2, seed=1)
    W0 = start(d=2)
    run = attention_descent(problem, v, 1.5, 10, W0=W0)
    torch.testing.assert_close(run.W[-1], W0)
    assert (run.log_time == -math.inf).all()


def test_an_empty_batch_is_refused(toy):
    problem, v = toy
    empty = AttentionProblem(*(x[None][:0] for x in (problem.X, problem.y, problem.z)))
    with pytest.raises(ValueError, match=r"the batch is empty: its axes are \(0,\)"):
        attention_descent(empty, v, 2, 5)


def test_it_keeps_the_dtype_and_the_start(toy):
    problem, v = toy
    small = AttentionProblem(problem.X.float(), problem.y, problem.z)
    W0 = start()
    before = W0.clone()
    run = attention_descent(small, v.float(), 2, 5, W0=W0)
    assert {run.W.dtype, run.risk.dtype, run.attention.dtype, run.log_time.dtype} == {torch.float32}
    assert torch.equal(W0, before)


# ---- refusals and the progress bar --------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1, got 0"),
        ({"lr": 0.0}, ValueError, r"lr must be finite and positive, got 0\.0"),
        ({"lr": -1.0}, ValueError, r"lr .* got -1\.0"),
        ({"lr": math.nan}, ValueError, "lr .* got nan"),
        ({"lr": math.inf}, ValueError, "lr .* got inf"),
        ({"lr": lambda k: -0.5}, ValueError, r"lr .* got -0\.5"),
        ({"lr": lambda k: 5.0 - k}, ValueError, r"lr .* got 0\.0 for step 5"),
        ({"p": 1.0}, ValueError, r"p must be a finite number above 1, got 1\.0"),
        ({"p": Hypentropy(0.5)}, NotImplementedError, r"beta=0\.5.* use normalize=False"),
        ({"record": 1}, ValueError, "record must be at least 2 steps, got 1"),
        ({"record": []}, ValueError, r"record must name steps within 0\.\.10, got \[\]"),
        ({"record": [3, 11]}, ValueError, r"within 0\.\.10, got \[3, 11\]"),
        ({"record": [0, 2.5]}, ValueError, r"within 0\.\.10, got \[0, 2\.5\]"),
        ({"record": [-1]}, ValueError, r"within 0\.\.10, got \[-1\]"),
        ({"W0": torch.zeros(3, 2)}, ValueError, r"\(\.\.\., 3, 3\); got .* \(3, 2\)"),
        (
            {"W0": torch.full((3, 3), math.nan)},
            ValueError,
            r"W0 must be finite, got nan at \(0, 0\)",
        ),
        ({"W0": torch.zeros(3, 3, dtype=torch.complex64)}, ValueError, "W0 must be real"),
        ({"loss": "hinge"}, ValueError, "got 'hinge'"),
    ],
)
def test_bad_arguments_are_refused(toy, arguments, error, message):
    problem, v = toy
    with pytest.raises(error, match=message):
        attention_descent(problem, v, **({"p": 2, "steps": 10} | arguments))


def test_divergence_is_an_error(toy):
    """At p = 1.05 the dual 1e16 is the weight 1e320."""
    with pytest.raises(FloatingPointError, match="no longer finite by step 1; take a smaller lr"):
        attention_descent(*toy, 1.05, 3, lr=1e16)


@pytest.mark.parametrize(("progress", "shown"), [(None, False), (False, False), (True, True)])
def test_the_bar_shows_when_asked(toy, progress, shown, capsys, monkeypatch):
    monkeypatch.setattr("mdlib.descent.descent._LONG_RUN", 10)  # stderr is no terminal here
    monkeypatch.setattr("mdlib.descent.descent.tqdm.monitor_interval", 0)  # no thread stays behind

    def rate(k):
        time.sleep(0.11)  # the bar waits for a second before it shows
        return 0.1

    attention_descent(*toy, 2, 12, lr=rate, progress=progress)
    assert bool(capsys.readouterr().err) == shown


def test_a_start_that_learns_elsewhere_is_not_tracked(toy):
    problem, v = toy
    d = problem.X.shape[-1]
    W0 = torch.nn.Parameter(torch.zeros(d, d, dtype=torch.float64))
    run = attention_descent(problem, v, 2, 3, W0=W0, record=np.int64(2))
    assert not run.W.requires_grad
    assert run.steps.tolist() == [0, 3]

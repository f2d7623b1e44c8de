"""Planted problems, joint descent, the joint path and the condition of the joint theorem."""

import itertools
import math
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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
from mdlib.attention.losses import LOSSES, log_value
from mdlib.path.ball import DecoderBall
from mdlib.svm import label_margin
from mdlib.svm.shrinkage import LEAKS

MATRIX = (-2, -1)


def chosen(problem, tokens):
    return problem.X.take_along_dim(tokens[..., None, None], -2)[..., 0, :]


# ---- planted problems ---------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    n=st.integers(1, 9),
    T=st.integers(2, 6),
    d=st.integers(1, 7),
    p=st.floats(1.1, 8),
    spare=st.integers(0, 4),
    rival=st.sampled_from([0.0, 0.7, 1.5]),
    draw=st.integers(0, 10**6),
)
def test_the_planted_selection_is_what_it_says(n, T, d, p, spare, rival, draw):
    """Unit label margin, its support vectors, and some W that sets the planted tokens apart."""
    spare = min(spare, n - 1)
    problem, tokens = AttentionProblem.planted(n, T, d, p, seed=draw, spare=spare, rival=rival)
    assert problem.X.shape == (n, T, d)
    found = classifier_svm(chosen(problem, tokens), problem.y, p)
    assert found.norm.item() == pytest.approx(1.0, rel=1e-6)
    assert (found.margins[: n - spare] - 1).abs().max() < 1e-6
    assert (found.margins[n - spare :] > 1.49).all()
    if rival == 0:
        scores = problem.scores(found.v)
        others = scores.scatter(-1, tokens[:, None], -math.inf)
        assert (scores.gather(-1, tokens[:, None]) > others + 0.2).all()
        assert attention_svm(problem, tokens, 2).gap < 1e-6


def test_planted_seeds_are_a_batch():
    together, tokens = AttentionProblem.planted(4, 3, 5, 1.5, seed=[7, 8], spare=1, rival=0.5)
    for i, seed in enumerate((7, 8)):
        alone, alone_tokens = AttentionProblem.planted(4, 3, 5, 1.5, seed=seed, spare=1, rival=0.5)
        assert torch.equal(together.X[i], alone.X)
        assert torch.equal(together.z[i], alone.z)
        assert torch.equal(tokens[i], alone_tokens)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "got n=0"),
        ({"spare": 3}, r"spare must lie in 0\.\.2, at least one input less than n; got 3"),
        ({"spare": -1}, "got -1"),
        ({"rival": -0.5}, r"rival must be at least 0 .* got -0\.5"),
        ({"rival": 0.5, "T": 1}, "needs T >= 2"),
        ({"seed": []}, "empty sequence"),
        ({"p": 1.0}, r"p must be a finite number above 1, got 1\.0"),
    ],
)
def test_bad_planting_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionProblem.planted(**({"n": 3, "T": 4, "d": 2, "p": 2.0, "seed": 1} | arguments))


# ---- joint descent ------------------------------------------------------------------------------


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
def test_the_log_of_a_loss(loss):
    u = torch.linspace(-50, 700, 5001, dtype=torch.float64)
    torch.testing.assert_close(log_value(loss, u).exp(), LOSSES[loss].value(u), rtol=1e-12, atol=0)
    far = torch.tensor([1e4, 1e9], dtype=torch.float64)
    assert torch.equal(log_value(loss, far), -far)


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


# ---- the condition ------------------------------------------------------------------------------


def slow_shrinkage(problem, tokens, p, leaks):
    """Every selection, every leak, one l_p-SVM at a time; inputs to spare leak all or nothing."""
    n, T, _ = problem.X.shape
    alpha = chosen(problem, tokens)
    full = classifier_svm(alpha, problem.y, p)
    worst = math.inf
    for other in itertools.product(range(T), repeat=n):
        leaks_ = torch.tensor(other) != tokens
        if not (leaks_ & full.support).any():
            continue
        for q in leaks:
            share = torch.where(full.support, q, 1.0)[:, None]
            mixed = (1 - share) * alpha + share * chosen(problem, torch.tensor(other))
            reached = label_margin(mixed, problem.y, p, tol=1e-9).item()
            worst = min(worst, (1 - reached * full.norm.item()) / q)
    return worst


CASES = [  # n, T, d, spare, rival, seed
    (3, 3, 4, 0, 0.0, 2),
    (3, 3, 4, 0, 0.9, 2),
    (3, 3, 4, 0, 1.4, 2),
    (3, 3, 4, 1, 1.3, 5),  # better only where the input to spare changes its token too
    (4, 2, 2, 0, 0.0, 1),  # more support vectors than dimensions: many multipliers for one v
]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("p", [1.5, 3])
def test_the_condition_against_every_selection(p, case):
    *shape, spare, rival, draw = case
    problem, tokens = AttentionProblem.planted(*shape, p, seed=draw, spare=spare, rival=rival)
    found = margin_shrinkage(problem, tokens, p)
    by_hand = slow_shrinkage(problem, tokens, p, (1e-4, 0.1, 0.25, 0.5, 0.75, 1.0))
    assert found.complete
    assert found.rate == pytest.approx(by_hand, abs=1e-3)
    assert found.margin == pytest.approx(1.0, rel=1e-6)
    assert found.holds == (by_hand > 0)
    spared = torch.arange(shape[0]) >= shape[0] - spare
    share = torch.where(spared, 1.0, found.leak)[:, None]
    mixed = (1 - share) * chosen(problem, tokens) + share * chosen(problem, found.tokens)
    reached = label_margin(mixed, problem.y, p, tol=1e-9).item()
    assert (1 - reached) / found.leak == pytest.approx(found.rate, abs=1e-5)


@pytest.mark.parametrize("spare", [0, 1])
@pytest.mark.parametrize("rival", [0.0, 1.3])
def test_it_holds_where_no_selection_has_more_margin(rival, spare):
    for draw in range(1, 9):
        problem, tokens = AttentionProblem.planted(3, 3, 4, 2, seed=draw, spare=spare, rival=rival)
        every = torch.cartesian_prod(*[torch.arange(3)] * 3)
        selected = problem.X[torch.arange(3), every]
        margins = label_margin(selected, problem.y.expand(len(every), 3), 2)
        found = margin_shrinkage(problem, tokens, 2)
        assert found.holds == (margins.max().item() < 1 + 1e-5) == (rival == 0)


def random_attention(problem, tokens, count):
    """Attention (count, n, T) that leaks from few or many inputs, little or much, near and wide."""
    n, T, _ = problem.X.shape
    s = torch.rand(count, n, T).double() ** torch.randint(1, 30, (count, n, 1))
    leak = torch.rand(count, n, 1) * (torch.rand(count, n, 1) < 0.5)
    return (1 - leak) * torch.nn.functional.one_hot(tokens, T) + leak * s / s.sum(-1, keepdim=True)


@pytest.mark.parametrize("p", [1.2, 2, 5])
@pytest.mark.parametrize(("n", "d", "spare"), [(3, 4, 0), (4, 2, 0), (4, 5, 2)])
def test_no_leak_costs_less_than_told_or_planted(n, d, spare, p, seed):
    """A planted leak costs a quarter over the number of support vectors at least."""
    torch.manual_seed(seed)
    problem, tokens = AttentionProblem.planted(n, 3, d, p, seed=seed + 1, spare=spare)
    s = random_attention(problem, tokens, 300)
    leak = 1 - s.gather(-1, tokens.expand(300, n)[..., None])[:, : n - spare, 0].amin(-1)
    s, leak = s[leak > 1e-2], leak[leak > 1e-2]
    seen = (s[..., None] * problem.X).sum(-2)
    cost = 1 - label_margin(seen, problem.y.expand(len(seen), n), p, tol=1e-8)
    assert (cost > leak * margin_shrinkage(problem, tokens, p).rate - 1e-3).all()
    assert (cost > leak / (4 * (n - spare)) - 1e-6).all()


def test_padding_cannot_be_leaked_to():
    """The other tokens point away from the chosen ones: a leak to nothing would cost less."""
    problem, tokens = AttentionProblem.planted(3, 2, 4, 2, seed=2)
    alpha = chosen(problem, tokens)
    X = torch.stack([alpha, -alpha / 2, alpha], dim=-2)
    mask = torch.arange(3) < torch.full((3, 1), 2)
    first = torch.zeros(3, dtype=torch.long)
    padded = AttentionProblem(X, problem.y, problem.z, mask)
    real = AttentionProblem(X[:, :2], problem.y, problem.z)
    with_nothing = AttentionProblem(X * mask[..., None], problem.y, problem.z)
    rate = margin_shrinkage(real, first, 2).rate
    assert margin_shrinkage(padded, first, 2).rate == rate
    assert margin_shrinkage(with_nothing, first, 2).rate < 0.8 * rate


def test_what_cannot_leak_costs_nothing():
    problem, _ = AttentionProblem.random(3, 1, 4, seed=1)
    found = margin_shrinkage(problem, torch.zeros(3, dtype=torch.long), 2)
    assert (found.rate, found.leak, found.holds, found.complete) == (math.inf, 0.0, True, True)


def test_a_token_of_zeros_or_opposite_is_a_leak_like_any_other():
    problem, tokens = AttentionProblem.planted(3, 3, 4, 2, seed=2)
    X = problem.X.clone()
    X[0, (tokens[0] + 1) % 3] = 0
    X[1, (tokens[1] + 1) % 3] = -X[1, tokens[1]]
    odd = AttentionProblem(X, problem.y, problem.z)
    found = margin_shrinkage(odd, tokens, 2)
    assert found.rate == pytest.approx(slow_shrinkage(odd, tokens, 2, LEAKS), abs=1e-5)


def test_a_leak_to_an_equal_token_costs_nothing():
    problem, tokens = AttentionProblem.planted(3, 3, 4, 2, seed=2)
    X = problem.X.clone()
    X[0, (tokens[0] + 1) % 3] = X[0, tokens[0]]
    found = margin_shrinkage(AttentionProblem(X, problem.y, problem.z), tokens, 2)
    assert found.rate == pytest.approx(0, abs=2e-5)
    assert not found.holds


def test_a_margin_that_comes_back_to_the_last_digits_does_not_hold():
    """All inputs may turn to the opposite token, and v with them."""
    problem, tokens = AttentionProblem.planted(3, 2, 4, 2, seed=2)
    alpha = chosen(problem, tokens)
    mirrored = AttentionProblem(torch.stack([alpha, -alpha], -2), problem.y, problem.z)
    found = margin_shrinkage(mirrored, torch.zeros(3, dtype=torch.long), 2)
    assert abs(found.rate) < 1e-6
    assert not found.holds


def test_too_many_selections_are_sampled():
    problem, tokens = AttentionProblem.planted(4, 4, 5, 2, seed=1, rival=1.5)
    every = margin_shrinkage(problem, tokens, 2)
    lots = [margin_shrinkage(problem, tokens, 2, limit=100, seed=draw) for draw in range(5)]
    assert every.complete
    assert not any(some.complete for some in lots)
    assert every.rate == min(some.rate for some in lots)
    assert len({some.rate for some in lots}) > 1
    assert margin_shrinkage(problem, tokens, 2, limit=100, seed=4).rate == lots[4].rate


def test_the_leaks_of_one_input_are_always_tried():
    """Without a rival the least cost is that of one input's leak."""
    problem, tokens = AttentionProblem.planted(4, 4, 5, 2, seed=1)
    rate = margin_shrinkage(problem, tokens, 2).rate
    for draw in range(5):
        some = margin_shrinkage(problem, tokens, 2, limit=1, seed=draw)
        assert some.rate == pytest.approx(rate, abs=1e-5)


def test_bad_conditions_are_refused():
    problems, tokens = AttentionProblem.planted(3, 3, 4, 2, seed=[1, 2])
    with pytest.raises(ValueError, match="one problem at a time"):
        margin_shrinkage(problems, tokens, 2)
    problem, tokens = AttentionProblem.planted(3, 3, 4, 2, seed=1)
    with pytest.raises(ValueError, match="limit must be at least 1, got 0"):
        margin_shrinkage(problem, tokens, 2, limit=0)
    with pytest.raises(ValueError, match=r"tokens must lie in 0\.\.2"):
        margin_shrinkage(problem, tokens - 3, 2)


def test_label_margins_of_a_batch(seed):
    torch.manual_seed(seed)
    x, y = torch.randn(20, 5, 3).double(), torch.randn(20, 5).sign()
    for p in (1.5, 2, 4):
        margins = label_margin(x, y, p)
        for i in range(20):
            try:
                expected = 1 / classifier_svm(x[i], y[i], p).norm.item()
            except ValueError:  # InfeasibleError: no v separates them
                expected = 0.0
            assert margins[i].item() == pytest.approx(expected, rel=1e-5, abs=1e-7)
        assert 0 < (margins > 0).sum() < 20

"""margin_shrinkage: the condition of the joint theorem, against every selection and every leak."""

import itertools
import math

import pytest
import torch

from mdlib import AttentionProblem, LpPotential, classifier_svm, label_margin, margin_shrinkage
from mdlib.svm.shrinkage import LEAKS
from tests.support.problems import chosen


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

"""Both SVMs: certified for every p, equal to cvxpy, and clear about what cannot be solved."""

import sys

import cvxpy as cp
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from mdlib import (
    AttentionProblem,
    InfeasibleError,
    LpPotential,
    NotSolvedError,
    attention_svm,
    classifier_svm,
    label_margin,
)
from mdlib.svm import solve

GRID = [1.05, 1.1, 1.5, 1.75, 2.0, 3.0, 4.0, 8.0, 20.0]
SEEDS = range(1, 41)


def randn(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def paper_problems(seeds=SEEDS):
    problem, v = AttentionProblem.random(6, 8, 10, seed=seeds)
    return problem, problem.optimal_tokens(v)


def pull(problem, tokens, multipliers):
    """Return sum of multiplier times (X_alpha - X_t) z', straight from the paper."""
    chosen = problem.X.gather(
        -2, tokens[..., None, None].expand(*tokens.shape, 1, problem.X.shape[-1])
    )
    return torch.einsum("...nt,...ntj,...nk->...jk", multipliers, chosen - problem.X, problem.z)


# -- certificates ---------------------------------------------------------------------------------


@pytest.mark.parametrize("p", GRID)
def test_a_batch_of_paper_problems_is_certified_and_stationary(p):
    problem, tokens = paper_problems()
    solution = attention_svm(problem, tokens, p)
    psi = LpPotential(p)
    assert solution.gap.abs().max() <= 1e-8
    assert (solution.violation == 0).all()
    margins = problem.margins(solution.W, tokens)
    assert margins.min() >= 1
    torch.testing.assert_close(solution.margins, margins)
    torch.testing.assert_close(solution.norm, psi.norm(solution.W, dim=(-2, -1)))
    assert (solution.multipliers >= 0).all()
    # The gap once more, from the multipliers alone.
    G = pull(problem, tokens, solution.multipliers)
    bound = solution.multipliers.sum((-2, -1)) / psi.dual_norm(G, dim=(-2, -1))
    assert ((solution.norm - bound) / solution.norm).abs().max() <= 1e-8
    # W is the mirror image of the multipliers, and only tight constraints pull.
    assert solution.stationarity.max() < 1e-3
    if p <= 2:
        distance = psi.norm(psi.inverse(G) - solution.W, dim=(-2, -1)) / solution.norm
        torch.testing.assert_close(solution.stationarity, distance, rtol=1e-3, atol=1e-9)
    torch.testing.assert_close(solution.multipliers.sum((-2, -1)), solution.norm**psi.p)
    share = solution.multipliers / solution.multipliers.amax((-2, -1), keepdim=True)
    slack = (margins - 1).where(margins.isfinite(), 0.0)
    assert (share * slack).max() < 1e-6
    assert torch.equal(solution.support, share > 1e-5)


@pytest.mark.parametrize(("seed", "p"), [(533, 8), (486, 1.05)])
def test_an_entry_that_crosses_zero_does_not_throw_the_steps_about(seed, p):
    """Two problems on which Newton steps of fixed reach went round in circles for ever."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=seed)
    assert abs(attention_svm(problem, problem.optimal_tokens(v), p).gap) <= 1e-8


@pytest.mark.parametrize("p", [1.1, 1.5, 1.75, 2, 3, 4, 8])
def test_gap_at_the_size_of_the_bar(p):
    problem, v = AttentionProblem.random(50, 16, 30, seed=1)
    solution = attention_svm(problem, problem.optimal_tokens(v), p)
    assert abs(solution.gap) <= 1e-8
    assert solution.margins.min() >= 1


@pytest.mark.parametrize("p", [1.1, 1.5, 2, 3, 8])
@pytest.mark.parametrize("seed", [1, 2])
def test_both_solvers_agree(p, seed):
    problem, v = AttentionProblem.random(6, 8, 10, seed=seed)
    tokens = problem.optimal_tokens(v)
    dual = attention_svm(problem, tokens, p)
    textbook = attention_svm(problem, tokens, p, solver="cvxpy")
    torch.testing.assert_close(dual.norm, textbook.norm, rtol=1e-6, atol=0.0)
    torch.testing.assert_close(dual.W, textbook.W, rtol=0.0, atol=2e-3 * dual.W.abs().max().item())
    assert torch.equal(dual.support, textbook.support)
    assert textbook.gap <= 1e-5


@pytest.mark.parametrize("p", GRID)
def test_one_constraint_has_a_closed_form(p):
    a, z = randn(3), randn(3, seed=2)
    problem = AttentionProblem(torch.stack([a, torch.zeros(3)])[None], [1], z[None])
    solution = attention_svm(problem, torch.tensor([0]), p)
    psi = LpPotential(p)
    expected = psi.inverse(torch.outer(a, z))
    torch.testing.assert_close(solution.W, expected / (torch.outer(a, z) * expected).sum())
    torch.testing.assert_close(solution.norm, 1 / (psi.dual_norm(a) * psi.dual_norm(z)))
    classifier = classifier_svm(a[None], [-1], p)
    torch.testing.assert_close(classifier.v, -psi.inverse(a) / (a * psi.inverse(a)).sum())


@given(seed=st.integers(0, 10**6), p=st.sampled_from(GRID))
def test_no_multipliers_bound_the_norm_from_above(seed, p):
    problem, v = AttentionProblem.random(3, 4, 5, seed=1)
    tokens = problem.optimal_tokens(v)
    solution = attention_svm(problem, tokens, p)
    multipliers = randn(3, 4, seed=seed).abs()
    multipliers[torch.arange(3), tokens] = 0
    G = pull(problem, tokens, multipliers)
    assert multipliers.sum() / LpPotential(p).dual_norm(G) <= solution.norm * (1 + 1e-12)


@pytest.mark.parametrize("p", [1.1, 2.0, 8.0, 20.0])
@pytest.mark.parametrize("scale", [1e-6, 1e-2, 1e4])
def test_units_do_not_matter(p, scale):
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    tokens = problem.optimal_tokens(v)
    solution = attention_svm(problem, tokens, p)
    scaled = AttentionProblem(scale * problem.X, problem.y, scale * problem.z)
    other = attention_svm(scaled, tokens, p)
    torch.testing.assert_close(other.norm * scale**2, solution.norm, rtol=1e-8, atol=0.0)


def test_inputs_of_very_different_size():
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    tokens = problem.optimal_tokens(v)
    size = torch.logspace(-3, 3, 6, dtype=torch.float64)
    uneven = AttentionProblem(problem.X, problem.y, size[:, None] * problem.z)
    for p in (1.1, 1.5, 2, 3, 8):
        assert attention_svm(uneven, tokens, p).gap.abs() <= 1e-8


# -- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1.1, 2.0, 8.0])
def test_a_row_of_the_batch_is_the_problem_alone(p):
    problem, tokens = paper_problems(seeds=range(1, 5))
    together = attention_svm(problem, tokens, p)
    for i, seed in enumerate(range(1, 5)):
        alone = attention_svm(AttentionProblem.random(6, 8, 10, seed=seed)[0], tokens[i], p)
        torch.testing.assert_close(together.W[i], alone.W, rtol=1e-4, atol=1e-6)
        assert torch.equal(together.support[i], alone.support)


def test_one_problem_and_many_selections():
    problem, _ = AttentionProblem.random(2, 3, 8, seed=1)
    tokens = torch.cartesian_prod(torch.arange(3), torch.arange(3)).reshape(3, 3, 2)
    solution = attention_svm(problem, tokens, 2)
    assert solution.W.shape == (3, 3, 8, 8)
    assert solution.norm.shape == solution.gap.shape == solution.violation.shape == (3, 3)
    assert solution.margins.shape == solution.support.shape == (3, 3, 2, 3)
    assert (problem.attention(1e3 * solution.W).argmax(-1) == tokens).all()


def test_single_precision_problems_are_solved_in_double():
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    single = AttentionProblem(problem.X.float(), problem.y, problem.z.float())
    solution = attention_svm(single, problem.optimal_tokens(v), 1.5)
    assert solution.W.dtype == torch.float64
    assert solution.gap.abs() <= 1e-8


@pytest.mark.parametrize("p", [1.1, 2.0, 8.0])
def test_padding_changes_nothing(p):
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    tokens = problem.optimal_tokens(v)
    X = torch.cat([problem.X, torch.full((6, 3, 10), 7.0, dtype=torch.float64)], dim=1)
    X[0, 0] = torch.nan
    mask = torch.ones(6, 11, dtype=torch.bool)
    mask[:, 8:] = False
    mask[0, 0] = False
    padded = attention_svm(AttentionProblem(X, problem.y, problem.z, mask), tokens, p)
    assert padded.margins[0, 0].isinf()
    assert padded.margins[:, 8:].isinf().all()
    assert not padded.support[:, 8:].any()
    assert (padded.multipliers[:, 8:] == 0).all()
    # The same without padding: the first input loses its first token, another stands in twice.
    assert tokens[0] not in (0, 1)
    X = problem.X.clone()
    X[0, 0] = X[0, 1]
    same = attention_svm(AttentionProblem(X, problem.y, problem.z), tokens, p)
    torch.testing.assert_close(padded.W, same.W, rtol=1e-4, atol=1e-6)


def test_padding_does_not_bind():
    """The chosen logit is negative: a padding token taken for zeros would get in the way."""
    X = torch.tensor([[[-3.0], [-4.0], [0.0]]])
    mask = torch.tensor([[True, True, False]])
    solution = attention_svm(AttentionProblem(X, [1], [[1.0]], mask), torch.tensor([0]), 2)
    assert solution.W.item() == pytest.approx(1)


def test_an_input_with_one_real_token_asks_for_nothing():
    problem, v = AttentionProblem.random(3, 4, 6, seed=1)
    tokens = problem.optimal_tokens(v)
    mask = torch.ones(3, 4, dtype=torch.bool)
    mask[1] = False
    mask[1, tokens[1]] = True
    padded = AttentionProblem(problem.X, problem.y, problem.z, mask)
    without = AttentionProblem(problem.X[[0, 2]], problem.y[[0, 2]], problem.z[[0, 2]])
    torch.testing.assert_close(
        attention_svm(padded, tokens, 2).W, attention_svm(without, tokens[[0, 2]], 2).W,
        rtol=1e-5, atol=1e-7,
    )  # fmt: skip


def test_equal_tokens_that_are_not_chosen_share_their_constraint():
    problem, v = AttentionProblem.random(3, 4, 6, seed=1)
    tokens = problem.optimal_tokens(v)
    other = (tokens + 1) % 4
    X = torch.cat([problem.X, problem.X[torch.arange(3), other][:, None]], dim=1)
    for p in (1.1, 2.0, 8.0):
        twice = attention_svm(AttentionProblem(X, problem.y, problem.z), tokens, p)
        once = attention_svm(problem, tokens, p)
        torch.testing.assert_close(twice.W, once.W, rtol=1e-4, atol=1e-6)


# -- margins that need not be 1 -------------------------------------------------------------------


def relaxed_by_cvxpy(problem, tokens, p, required):
    W = cp.Variable((problem.X.shape[-1],) * 2)
    constraints = []
    for i, alpha in enumerate(tokens.tolist()):
        lead = (problem.X[i, alpha] - problem.X[i]).numpy()
        for t in range(len(lead)):
            if t != alpha:
                constraints.append(lead[t] @ W @ problem.z[i].numpy() >= float(required[i]))
    model = cp.Problem(cp.Minimize(cp.pnorm(W, p)), constraints)
    return model.solve(solver=cp.CLARABEL)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_relaxed_margins(p):
    problem, v = AttentionProblem.random(6, 8, 10, seed=3)
    tokens = problem.optimal_tokens(v)
    required = torch.tensor([True, False, True, False, False, True])
    solution = attention_svm(problem, tokens, p, required=required)
    assert solution.norm.item() == pytest.approx(
        relaxed_by_cvxpy(problem, tokens, p, required), rel=1e-6
    )
    assert solution.violation <= 1e-8
    assert solution.gap.abs() <= 1e-8
    assert solution.margins[required].min() >= 1
    assert solution.margins[~required].min() >= -1e-8
    assert solution.margins[~required].min() < 0.5
    assert solution.norm < attention_svm(problem, tokens, p).norm
    textbook = attention_svm(problem, tokens, p, required=required, solver="cvxpy")
    torch.testing.assert_close(textbook.norm, solution.norm, rtol=1e-5, atol=0.0)


@pytest.mark.parametrize("p", [1.5, 2.0, 3.0])
def test_margins_in_between(p):
    problem, v = AttentionProblem.random(6, 8, 10, seed=3)
    tokens = problem.optimal_tokens(v)
    required = torch.tensor([1.0, 0.25, 0.9, 0.0, 0.5, 1.0]).double()
    solution = attention_svm(problem, tokens, p, required=required)
    wanted = relaxed_by_cvxpy(problem, tokens, p, required)
    assert solution.norm.item() == pytest.approx(wanted, rel=1e-6)
    assert solution.gap.abs() <= 1e-8
    assert (solution.margins >= required[:, None] - 1e-8).all()
    tight = (solution.margins - required[:, None]).abs() < 1e-6
    assert (solution.multipliers[~tight] < 1e-6 * solution.multipliers.max()).all()
    assert tight[1].any()
    halved = attention_svm(problem, tokens, p, required=required / 2)
    torch.testing.assert_close(halved.W, solution.W / 2, rtol=1e-4, atol=1e-6)
    textbook = attention_svm(problem, tokens, p, required=required, solver="cvxpy")
    torch.testing.assert_close(textbook.norm, solution.norm, rtol=1e-5, atol=0.0)


def test_a_token_equal_to_the_chosen_one_is_fine_where_no_margin_is_needed():
    problem, v = AttentionProblem.random(3, 4, 6, seed=1)
    tokens = problem.optimal_tokens(v)
    X = problem.X.clone()
    X[1, (tokens[1] + 1) % 4] = X[1, tokens[1]]
    twin = AttentionProblem(X, problem.y, problem.z)
    required = torch.tensor([True, False, True])
    assert attention_svm(twin, tokens, 2, required=required).gap.abs() <= 1e-8
    with pytest.raises(ValueError, match=rf"input 1 has token {(tokens[1] + 1) % 4} equal to its"):
        attention_svm(twin, tokens, 2)


def test_a_violation_beyond_the_tolerance_is_not_a_solution(monkeypatch):
    problem, v = AttentionProblem.random(3, 4, 6, seed=2)
    tokens = problem.optimal_tokens(v)
    required = torch.tensor([True, False, True])
    relaxed = attention_svm(problem, tokens, 2, required=required)
    dropped = attention_svm(
        AttentionProblem(problem.X[[0, 2]], problem.y[[0, 2]], problem.z[[0, 2]]),
        tokens[[0, 2]], 2,
    )  # fmt: skip
    w, multipliers = dropped.W.reshape(1, -1).numpy(), relaxed.multipliers.reshape(1, -1).numpy()
    found = solve._Found(w, multipliers, np.array([False]), np.array([1]), "")
    monkeypatch.setattr(solve, "_by_dual", lambda *_: found)
    with pytest.raises(NotSolvedError, match="violation of"):
        attention_svm(problem, tokens, 2, required=required, tol=1e-6)


# -- the classifier -------------------------------------------------------------------------------


@pytest.mark.parametrize("p", GRID)
def test_classifier_is_certified(p):
    x = randn(5, 8, 20)
    labels = torch.where(randn(5, 8, seed=3) > 0, 1.0, -1.0)
    solution = classifier_svm(x, labels, p)
    assert solution.v.shape == (5, 20)
    margins = labels * (x @ solution.v[..., None])[..., 0]
    assert margins.min() >= 1
    torch.testing.assert_close(solution.margins, margins)
    G = ((labels * solution.multipliers)[..., None] * x).sum(-2)
    bound = solution.multipliers.sum(-1) / LpPotential(p).dual_norm(G, dim=-1)
    assert (1 - bound / solution.norm).abs().max() <= 1e-8


def test_classifier_equals_cvxpy():
    x, labels = randn(8, 5), torch.tensor([1.0, -1, 1, -1, 1, -1, 1, -1])
    x = x + labels[:, None] * torch.ones(5)
    for p in (1.5, 2, 3):
        v = cp.Variable(5)
        rows = (labels[:, None] * x).numpy()
        norm = cp.Problem(cp.Minimize(cp.pnorm(v, p)), [rows @ v >= 1]).solve(solver=cp.CLARABEL)
        assert classifier_svm(x, labels, p).norm.item() == pytest.approx(norm, rel=1e-6)


def test_lists_are_taken():
    assert classifier_svm([[2.0], [-4.0]], [1, -1], 3).v.item() == pytest.approx(0.5)


# -- what cannot be solved ------------------------------------------------------------------------


def enclosed_problem():
    """The chosen token of input 1 is the mean of its other tokens; the rest is free."""
    problem, _ = AttentionProblem.random(3, 5, 8, seed=1)
    X = problem.X.clone()
    X[1, 0] = X[1, 1:].mean(0)
    return AttentionProblem(X, problem.y, problem.z), torch.zeros(3, dtype=torch.long)


@pytest.mark.parametrize("p", [1.05, 1.5, 2.0, 3.0, 8.0, 20.0])
def test_infeasible_problems_name_the_input_and_prove_it(p):
    problem, tokens = enclosed_problem()
    with pytest.raises(InfeasibleError, match="the constraints of input 1, token") as caught:
        attention_svm(problem, tokens, p)
    proof = caught.value
    assert (proof.multipliers >= 0).all()
    assert proof.multipliers.sum().item() == pytest.approx(1)
    residual = LpPotential(p).dual_norm(pull(problem, tokens, proof.multipliers))
    assert residual < 1e-7
    assert proof.bound > 1e7


@pytest.mark.parametrize("p", [1.05, 1.5, 2.0, 3.0, 8.0, 20.0])
def test_labels_that_no_line_separates(p):
    x = randn(30, 3)
    with pytest.raises(InfeasibleError, match="input") as caught:
        classifier_svm(x, torch.tensor([1.0, -1.0] * 15), p)
    assert caught.value.bound > 1e6


def test_an_infeasible_problem_is_named_in_a_batch():
    problem, tokens = enclosed_problem()
    easy, _ = AttentionProblem.random(3, 5, 8, seed=2)
    both = AttentionProblem(
        *(torch.stack([getattr(easy, name), getattr(problem, name)]) for name in ("X", "y", "z"))
    )
    with pytest.raises(InfeasibleError, match="problem 1, input 1, token") as caught:
        attention_svm(both, tokens, 1.5)
    assert caught.value.problem == 1
    table = AttentionProblem(both.X[:, None], both.y[:, None], both.z[:, None])
    with pytest.raises(InfeasibleError, match=r"problem \(1, 0\), input 1, token"):
        attention_svm(table, tokens, 1.5)


@pytest.mark.parametrize("p", GRID)
def test_a_relaxed_proof_uses_the_margins_that_may_be_zero(p):
    """Input 0 wants w_1 >= 1, input 1 wants -w_1 >= 0: only both together contradict."""
    X = torch.tensor([[[1.0, 0.0], [0.0, 0.0]], [[-1.0, 0.0], [0.0, 0.0]]], dtype=torch.float64)
    problem = AttentionProblem(X, [1, 1], torch.tensor([[1.0, 0.0], [1.0, 0.0]]).double())
    tokens, required = torch.tensor([0, 0]), torch.tensor([True, False])
    with pytest.raises(InfeasibleError, match="input 0, token 1; input 1, token 1") as caught:
        attention_svm(problem, tokens, p, required=required)
    expected = torch.tensor([[0.0, 1.0], [0.0, 1.0]], dtype=torch.float64)
    torch.testing.assert_close(caught.value.multipliers, expected)


def feasible(problem, tokens, required):
    """Whether any W gives the margins, by linear programming."""
    lead = problem.X.take_along_dim(tokens[:, None, None], 1) - problem.X
    rows = torch.einsum("ntj,nk->ntjk", lead, problem.z).flatten(2)
    others = torch.arange(rows.shape[1]) != tokens[:, None]
    wanted = required[:, None].expand_as(others)[others]
    A, b = -rows[others].numpy(), -wanted.double().numpy()
    return linprog(np.zeros(A.shape[-1]), A_ub=A, b_ub=b, bounds=(None, None)).status == 0


@pytest.mark.parametrize("p", GRID)
def test_small_hard_problems_are_solved_or_proved_to_have_no_solution(p, seed):
    """Few dimensions, random tokens chosen, some margins relaxed: the verdict is linprog's."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(12):
        n, T, d = (int(torch.randint(1 + (i > 0), 6, (1,), generator=generator)) for i in range(3))
        X = torch.randn(n, T, d, generator=generator, dtype=torch.float64)
        z = torch.randn(n, d, generator=generator, dtype=torch.float64)
        tokens = torch.randint(T, (n,), generator=generator)
        required = torch.rand(n, generator=generator) < 0.8
        required[0] = True
        problem = AttentionProblem(X, torch.ones(n), z)
        if feasible(problem, tokens, required):
            assert attention_svm(problem, tokens, p, required=required).gap.abs() <= 1e-8
        else:
            with pytest.raises(InfeasibleError):
                attention_svm(problem, tokens, p, required=required)


HARD = [  # n, T, d, seed, p, which of all selections
    (2, 4, 2, 24, 3, 7),
    (2, 8, 2, 15, 3, 42),
    (2, 8, 2, 1, 2, 19),
    (3, 4, 3, 22, 1.5, 62),
    (3, 4, 4, 69, 1.5, 47),
]


@pytest.mark.parametrize(("n", "T", "d", "seed", "p", "which"), HARD)
def test_thin_margins(n, T, d, seed, p, which):
    """Feasible by a hair: on these an uncorrected Newton step ran into the boundary and stayed."""
    problem, _ = AttentionProblem.random(n, T, d, seed=seed)
    tokens = torch.cartesian_prod(*[torch.arange(T)] * n)[which]
    assert attention_svm(problem, tokens, p).gap.abs() <= 1e-8


def test_a_missed_tolerance_is_told_with_what_was_reached():
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    with pytest.raises(
        NotSolvedError, match=r"problem 0 of 1: after \d+ steps reached a relative gap of"
    ) as caught:
        attention_svm(problem, problem.optimal_tokens(v), 1.5, tol=1e-17)
    assert caught.value.solution.gap.abs() < 1e-9
    assert caught.value.solution.W.shape == (10, 10)
    assert caught.value.solution.margins.shape == (6, 8)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"solver": "simplex"}, "solver must be 'dual' or 'cvxpy', got 'simplex'"),
        ({"p": 1.0}, "p must be a finite number above 1, got 1.0"),
        ({"required": torch.ones(5, dtype=torch.bool)}, r"required must have shape \(..., 6\)"),
        ({"required": torch.zeros(6, dtype=torch.bool)}, "asks for no margin"),
        ({"required": torch.tensor([1, 1, 1, 1, 1, 1.5])}, r"between 0 and 1, got 1\.5"),
        ({"required": torch.tensor([1, 1, 1, 1, 1, -0.5])}, r"between 0 and 1, got -0\.5"),
        ({"required": torch.full((6,), torch.nan)}, "between 0 and 1, got nan"),
        ({"tol": 0.0}, "tol must lie between 0 and 1, got 0.0"),
        ({"tol": float("nan")}, "tol must lie between 0 and 1, got nan"),
        ({"tokens": torch.full((6,), 8)}, "tokens must lie in 0..7"),
        ({"tokens": torch.zeros(5, dtype=torch.long)}, r"tokens must have shape \(..., 6\)"),
    ],
)
def test_bad_arguments(change, message):
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    arguments = {"tokens": problem.optimal_tokens(v), "p": 2.0} | change
    with pytest.raises(ValueError, match=message):
        attention_svm(problem, **arguments)


def test_an_empty_batch_is_refused():
    with pytest.raises(ValueError, match=r"the batch is empty: its axes are \(0,\)"):
        attention_svm(
            AttentionProblem(torch.ones(0, 2, 3, 4), torch.ones(0, 2), torch.ones(0, 2, 4)),
            torch.zeros(0, 2, dtype=torch.long), 2,
        )  # fmt: skip
    with pytest.raises(ValueError, match="the batch is empty"):
        classifier_svm(torch.ones(0, 2, 3), torch.ones(0, 2), 2)


def test_multipliers_that_cancel_at_the_start():
    with pytest.raises(InfeasibleError, match="input 0; input 1"):
        classifier_svm([[1.0], [-1.0]], [1, 1], 2)


def test_without_cvxpy_its_solver_says_where_to_get_it(monkeypatch):
    problem, v = AttentionProblem.random(n=2, T=3, d=4, seed=1)
    monkeypatch.setitem(sys.modules, "cvxpy", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'attention-in-the-mirror\[book\]'"):
        attention_svm(problem, problem.optimal_tokens(v), 2, solver="cvxpy")


def test_cvxpy_without_an_answer_points_to_the_proof():
    problem, tokens = enclosed_problem()
    with pytest.raises(cp.SolverError, match="status 'infeasible'; solver='dual' says which"):
        attention_svm(problem, tokens, 2, solver="cvxpy")


def test_a_zero_query_is_refused_by_name():
    problem, v = AttentionProblem.random(3, 4, 5, seed=1)
    z = problem.z.clone()
    z[2] = 0
    with pytest.raises(ValueError, match="the query of input 2 is zero"):
        attention_svm(AttentionProblem(problem.X, problem.y, z), problem.optimal_tokens(v), 2)


def test_inputs_of_one_token_are_refused():
    problem = AttentionProblem(torch.ones(2, 1, 3), [1, 1], torch.ones(2, 3))
    with pytest.raises(ValueError, match="asks for no margin"):
        attention_svm(problem, torch.zeros(2, dtype=torch.long), 2)


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        ([[1.0, 2.0], [0.0, 0.0]], [1, -1], "input 1 is all zeros"),
        ([[1.0, 2.0]], [0], r"input 0 has a label other than -1 or \+1 \(0\)"),
        ([[1.0, 2.0]], [1, -1], r"labels must have shape \(1,\), got \(2,\)"),
        ([1.0, 2.0], [1, -1], r"features must have shape \(..., n, d\), got \(2,\)"),
        ([[1.0, float("nan")]], [1], r"features must be finite, got nan at \(0, 1\)"),
    ],
)
def test_bad_samples(features, labels, message):
    with pytest.raises(ValueError, match=message):
        classifier_svm(features, labels, 2)


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

"""The race SVM: its own fixed point, its two ends, and a refusal where there is no race."""

from types import SimpleNamespace

import pytest
import torch

from mdlib import (
    AttentionProblem,
    LpPotential,
    NotSolvedError,
    attention_svm,
    classifier_svm,
    directional_divergence,
    race_svm,
)

SEEDS = range(1, 5)


def planted(p, seeds=SEEDS):
    """A batch with inputs to spare, its selection, and the decoder of the selected tokens."""
    problem, tokens = AttentionProblem.planted(n=4, T=3, d=8, p=p, seed=seeds, spare=2)
    chosen = problem.X.take_along_dim(tokens[..., None, None], -2)[..., 0, :]
    return problem, tokens, classifier_svm(chosen, problem.y, p)


def weights(problem, ratio):
    """W of norm about one, and v of ratio times as much."""
    d = problem.X.shape[-1]
    W = torch.randn(d, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return W / W.norm(), ratio * W[0] / W[0].norm()


@pytest.mark.parametrize("p", [1.1, 2, 8])
@pytest.mark.parametrize("ratio", [0.3, 3.0])
def test_it_asks_for_the_margins_of_its_own_norm(p, ratio):
    problem, tokens, decoder = planted(p)
    W, v = weights(problem, ratio)
    race = race_svm(problem, tokens, W, v, p)
    psi = LpPotential(p)
    label, attention = psi.norm(v) / decoder.norm, psi.norm(W) / race.norm
    required = 1 - (label / attention)[:, None] * (decoder.margins - 1)
    again = attention_svm(problem, tokens, p, required=required.clamp(0, 1))
    assert (again.norm / race.norm - 1).abs().max() < 1e-6
    assert directional_divergence(again.W, race.W, p).max() < 1e-6
    assert race.gap.max() < 1e-8
    assert race.violation.max() < 1e-8


@pytest.mark.parametrize("p", [1.5, 2, 3])
def test_its_ends_are_the_full_and_the_relaxed_problem(p):
    problem, tokens, decoder = planted(p)
    full = attention_svm(problem, tokens, p)
    relaxed = attention_svm(problem, tokens, p, required=decoder.support)
    still, far = (race_svm(problem, tokens, *weights(problem, ratio), p) for ratio in (0, 1e9))
    assert (still.norm / full.norm - 1).abs().max() < 1e-8
    assert (far.norm / relaxed.norm - 1).abs().max() < 1e-8
    between = race_svm(problem, tokens, *weights(problem, 0.3), p)
    assert (between.norm <= full.norm * (1 + 1e-8)).all()
    assert (between.norm >= relaxed.norm * (1 - 1e-6)).all()


def test_a_batch_is_its_problems_one_by_one():
    problem, tokens, _ = planted(2)
    W, v = weights(problem, 1.0)
    together = race_svm(problem, tokens, W, v, 2)
    for b, seed in enumerate(SEEDS):
        one, its, _ = planted(2, seed)
        alone = race_svm(one, its, W, v, 2)
        torch.testing.assert_close(together.W[b], alone.W, rtol=1e-5, atol=1e-6)


def test_w_that_is_zero_runs_no_race():
    problem, tokens, _ = planted(2)
    W, v = weights(problem, 1.0)
    with pytest.raises(ValueError, match="W must not be zero"):
        race_svm(problem, tokens, 0 * W, v, 2)


def test_a_solver_that_never_settles_is_reported():
    problem, tokens, _ = planted(2)
    answers = iter(range(1, 1000))

    def restless(*args, **kwargs):
        return SimpleNamespace(norm=torch.full((4,), float(next(answers)), dtype=torch.float64))

    with pytest.raises(NotSolvedError, match="is off by"):
        race_svm(problem, tokens, *weights(problem, 1.0), 2, svm=restless)

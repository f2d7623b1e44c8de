"""Local optimality asks about support tokens, and about no others."""

import torch

from mdlib import AttentionProblem, attention_svm, is_locally_optimal

SEEDS = range(1, 41)


def test_optimal_tokens_are_locally_optimal_and_worst_are_not():
    problem, v = AttentionProblem.random(6, 8, 10, seed=SEEDS)
    assert is_locally_optimal(problem, problem.optimal_tokens(v), v, 1.75).all()
    assert not is_locally_optimal(problem, problem.scores(v).argmin(-1), v, 1.75).any()


def test_only_support_tokens_matter():
    """Chosen token between two others; the far one scores higher but does not touch the margin."""
    X = [[[0.0, 1.0], [0.0, 0.0], [5.0, -9.0]]]
    problem = AttentionProblem(X, [1], [[0.0, 1.0]])
    tokens = torch.tensor([0])
    assert attention_svm(problem, tokens, 2).support.tolist() == [[False, True, False]]
    beaten_by_far = torch.tensor([1.0, 1.0])  # scores 1, 0, -4
    assert is_locally_optimal(problem, tokens, beaten_by_far, 2)
    v = torch.tensor([3.0, 1.0])  # scores 1, 0, 6
    assert problem.scores(v).argmax() == 2
    assert is_locally_optimal(problem, tokens, v, 2)
    assert not is_locally_optimal(problem, tokens, -v, 2)


def test_a_selection_broadcasts_against_many_decoders():
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    tokens = problem.optimal_tokens(v)
    decoders = torch.stack([v, -v, 2 * v])
    assert is_locally_optimal(problem, tokens, decoders, 2).tolist() == [True, False, True]

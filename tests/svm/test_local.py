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


def test_many_selections_and_many_decoders_are_one_batch():
    problems, v = AttentionProblem.random(n=3, T=4, d=6, seed=[1, 2])
    tokens = torch.randint(0, 4, (7, 2, 3))
    tokens[3] = problems.optimal_tokens(v)
    found = is_locally_optimal(problems, tokens, v, p=2)
    assert found.shape == (7, 2)
    assert found.any()
    assert not found.all()
    for i in range(7):
        assert torch.equal(is_locally_optimal(problems, tokens[i], v, p=2), found[i])
    decoders = torch.stack([v, -v])
    turned = is_locally_optimal(problems, tokens[0], decoders, p=2)
    assert torch.equal(turned[0], found[0])
    assert torch.equal(turned[1], is_locally_optimal(problems, tokens[0], -v, p=2))

"""Ablation of a word: hidden from the model, or alone before it."""

from __future__ import annotations

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.studies.sentences.run import Model


def hide(problem: AttentionProblem, tokens: Tensor) -> AttentionProblem:
    """Return the problem with one token of each input masked; softmax is over what is left.

    Raises
    ------
    ValueError
        If an input has no other token.

    Examples
    --------
    >>> problem, _ = AttentionProblem.random(n=2, T=3, d=4, seed=1)
    >>> hide(problem, torch.tensor([0, 2])).mask
    tensor([[False,  True,  True],
            [ True,  True, False]])
    """
    left = torch.ones(problem.X.shape[:-1], dtype=torch.bool)
    left = left.scatter(-1, tokens[..., None], False)
    if problem.mask is not None:
        left &= problem.mask
    return AttentionProblem(problem.X, problem.y, problem.z, left)


def other_tokens(problem: AttentionProblem, tokens: Tensor, seed: int = 0) -> Tensor:
    """Return for each input a random real token other than the one given, (n,).

    Examples
    --------
    >>> problem, _ = AttentionProblem.random(n=2, T=2, d=4, seed=1)
    >>> other_tokens(problem, torch.tensor([0, 1]))
    tensor([1, 0])
    """
    left = hide(problem, tokens).mask
    assert left is not None
    draw = torch.rand(left.shape, generator=torch.Generator().manual_seed(seed))
    return draw.where(left, -1.0).argmax(-1)


def one_word(problem: AttentionProblem, model: Model, tokens: Tensor) -> Tensor:
    """Return for each input whether v alone, on the one token given, has the right sign.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=3, T=4, d=5, seed=1)
    >>> tokens = problem.optimal_tokens(v)
    >>> one_word(problem, Model(torch.zeros(5, 5), v), tokens)
    tensor([True, True, True])
    """
    return problem.scores(model.v).gather(-1, tokens[..., None])[..., 0] > 0

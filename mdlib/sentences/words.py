"""Which words a model looks at, how hard, and whether its answer hangs on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from mdlib.attention import AttentionProblem
from mdlib.sentences.training import Model


class Word(NamedTuple):
    """A word, its mean attention in equal shares, and how often it occurs."""

    text: str
    shares: float
    times: int


def most_attended(
    sentences: Sequence[Sequence[str]], attention: Tensor, count: int = 10, least: int = 5
) -> list[Word]:
    """Return the words with the most attention on average, where they occur.

    Parameters
    ----------
    sentences : sequence of sequence of str
        The word of each token, as ``WordVectors.known`` gives them.
    attention : Tensor (n, T)
        In *equal shares*: 1 is what a word gets if all words of its sentence get the same.
    count : int
        Words to return.
    least : int
        How often a word must occur.

    Examples
    --------
    >>> attention = torch.tensor([[0.1, 0.9], [0.5, 0.5]])
    >>> most_attended([["so", "good"], ["so", "bad"]], attention, count=1, least=1)
    [Word(text='good', shares=1.8, times=1)]
    """
    shares: dict[str, list[float]] = defaultdict(list)
    for words, weights in zip(sentences, attention.tolist(), strict=True):
        for word, weight in zip(words, weights, strict=False):
            shares[word].append(weight * len(words))
    found = [Word(w, sum(s) / len(s), len(s)) for w, s in shares.items() if len(s) >= least]
    found = [Word(word.text, round(word.shares, 3), word.times) for word in found]
    return sorted(found, key=lambda word: (-word.shares, word.text))[:count]


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

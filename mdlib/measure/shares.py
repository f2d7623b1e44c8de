"""Attention by word, in equal shares: which words get the most of it.

1 is what a word gets if all words of its text get the same: so a word of a long text and one of a
short text can be compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor


class Word(NamedTuple):
    """A word, its mean attention in equal shares, and how often it occurs."""

    text: str
    shares: float
    times: int


def most_attended(
    texts: Sequence[Sequence[str]], shares: Tensor, count: int = 10, least: int = 5
) -> list[Word]:
    """Return the words with the most attention on average, where they occur.

    Parameters
    ----------
    texts : sequence of sequence of str
        The words of each text.
    shares : Tensor (n, T)
        Their attention in equal shares; what is behind a text's words does not count.
    count : int
        Words to return.
    least : int
        How often a word must occur.

    Raises
    ------
    ValueError
        If there are fewer shares than words.

    Examples
    --------
    >>> import torch
    >>> shares = torch.tensor([[0.2, 1.8], [1.0, 1.0]])
    >>> most_attended([["so", "good"], ["so", "bad"]], shares, count=1, least=1)
    [Word(text='good', shares=1.8, times=1)]
    """
    longest = max(map(len, texts), default=0)
    if shares.ndim != 2 or shares.shape[1] < longest:
        raise ValueError(f"shares must be (n, T), T at least {longest}; got {tuple(shares.shape)}")
    found: dict[str, list[float]] = defaultdict(list)
    for words, row in zip(texts, shares.tolist(), strict=True):
        for word, share in zip(words, row, strict=False):
            found[word].append(share)
    means = [
        Word(word, round(sum(each) / len(each), 3), len(each))
        for word, each in found.items()
        if len(each) >= least
    ]
    return sorted(means, key=lambda word: (-word.shares, word.text))[:count]

r"""Most attended words of real texts, and whether they are words of sentiment.

Attention is counted in *equal shares*, token by token. With :math:`s` what the words of a text get,
without what [CLS] keeps for itself, a word of k of the text's N tokens has

.. math:: m = \frac{s_w / k}{\sum_v s_v / N},

1 if all tokens get the same. So a word in pieces gains nothing by collecting the attention of all
of them, and a model that mostly looks at [CLS] is judged by the rest.

A word is what the tokenizer makes of it: in lower case, its pieces joined. The last word of a text
that was cut may be the beginning of one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mdlib.data.text.pivot import GROUPS, load_pivot_words
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.measure.shares import AttendedWord, most_attended
from mdlib.nn import TextClassifier
from mdlib.runs.schema import named
from mdlib.studies.text.attended import Attended, attend
from mdlib.train import Sequences
from mdlib.train.batches import sorted_batches


@dataclass(frozen=True)
class MarkedWords:
    """Attention to marked words beside that to the others; None for a mean of nothing.

    Attributes
    ----------
    times : int
        How often marked words occur.
    shares, others : float or None
        The mean of the marked words' equal shares, and of those of the others.
    as_rare : float or None
        That of others that occur about as often as the marked ones, so that rarity explains no
        difference.
    ahead : float or None
        How many of the other words of its text a marked one is ahead of, equal ones counting half:
        1/2 by chance. It sees the order alone, not by how much.
    """

    times: int
    shares: float | None
    others: float | None
    as_rare: float | None = field(metadata=named("as rare"))
    ahead: float | None


@dataclass(frozen=True)
class Favorites:
    r"""Which words the readout attends to.

    Attributes
    ----------
    words : tuple of AttendedWord
        The most attended ones, each with its mean of equal shares and how often it occurs.
    itself : float
        What [CLS] gets, in equal shares of all tokens, itself included.
    breadth : float
        How much of a text is read, mean over texts: :math:`\exp(-\sum_t a_t \log m_t)` with
        :math:`a_t` the tokens' attention that sums to 1. It is 1 where all get the same, and k / N
        where k of the N tokens get all, in equal parts.
    marked : MarkedWords
    """

    words: tuple[AttendedWord, ...]
    itself: float
    breadth: float
    marked: MarkedWords


def find_favorites(
    model: TextClassifier,
    tokenizer: Tokenizer,
    texts: Sequences,
    marked: Collection[str] | None = None,
    count: int = 15,
    least: int = 20,
    batch_size: int = 50,
) -> Favorites:
    """Measure which words the readout attends to.

    Parameters
    ----------
    model : TextClassifier
        In evaluation mode.
    tokenizer : Tokenizer
        The one that it reads with.
    texts : Sequences
        Each with a word at least.
    marked : collection of str, optional
        Words to compare with the others, in lower case; by default `sentiment_words`.
    count : int
        Words to return.
    least : int
        How often a word must occur to be returned.
    batch_size : int

    Raises
    ------
    ValueError
        If a text has no word.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["so good", "so bad", "not good"], size=40)
    >>> model = TextClassifier(len(tokenizer), width=8, layers=1, heads=2, hidden=8).eval()
    >>> texts = Sequences(tokenizer.encode(["so good", "not good"]), labels=[1, 0])
    >>> found = find_favorites(model, tokenizer, texts, marked={"good"}, least=2)
    >>> [(word, times) for word, _, times in found.words]
    [('good', 2)]
    """
    spelled = [spell(ids, tokenizer) for ids in texts.ids]
    if not all(spelled):
        raise ValueError(f"text {spelled.index([])} has no word; leave such texts out")
    shares = torch.full((len(texts), max(map(len, spelled))), torch.nan, dtype=torch.float64)
    itself, breadth = torch.zeros(2, len(texts), dtype=torch.float64)
    for batch in sorted_batches(texts.lengths, batch_size):
        (ids,), _ = texts.collate(batch)
        seen = attend(model, ids.to(model.positions.weight.device), tokenizer)
        found, tokens = equal_shares(seen).cpu(), seen.tokens[:, 1:].cpu().double()
        shares[batch, : found.shape[1]] = found
        attention = found * tokens / tokens.sum(1, keepdim=True)
        breadth[batch] = torch.xlogy(attention, found).nansum(1).neg().exp()
        itself[batch] = seen.shares[:, 0].cpu().double() * texts.lengths[batch]
    chosen = sentiment_words() if marked is None else marked
    return Favorites(
        words=tuple(most_attended(spelled, shares, count, least)),
        itself=itself.mean().item(),
        breadth=breadth.mean().item(),
        marked=_compare(spelled, shares, chosen),
    )


def sentiment_words() -> set[str]:
    """Return the words that decide a sentence of the pivot benchmark, in lower case.

    Examples
    --------
    >>> {"gorgeous", "tedious"} <= sentiment_words()
    True
    """
    return {sentence.pivot.lower() for sentence in load_pivot_words(*GROUPS)}


def spell(ids: Tensor, tokenizer: Tokenizer) -> list[str]:
    """Return the words of one text's ids, in lower case, their pieces joined; without [CLS].

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["so good", "so bad", "not good"], size=40)
    >>> spell(tokenizer.encode(["So GOOD, not sad"])[0], tokenizer)
    ['so', 'good', '[UNK]', 'not', 'sad']
    """
    words: list[str] = []
    for token in tokenizer.tokens(ids[1:]):
        if token.startswith("##"):
            words[-1] += token.removeprefix("##")
        else:
            words.append(token)
    return words


def equal_shares(seen: Attended) -> Tensor:
    """Return the attention of each word in equal shares, (B, n); nan where there is none.

    Where [CLS] keeps everything, all words have the same: 1.
    """
    shares, tokens = seen.shares[:, 1:].double(), seen.tokens[:, 1:].double()
    mean = shares.sum(1, keepdim=True) / tokens.sum(1, keepdim=True)
    return (shares / tokens / mean).where(mean > 0, 1.0).where(tokens > 0, torch.nan)


def _compare(
    texts: Sequence[Sequence[str]], shares: Tensor, marked: Collection[str]
) -> MarkedWords:
    """Hold the marked words against the others, occurrence by occurrence."""
    words = [word for text in texts for word in text]
    values, times = shares[~shares.isnan()], Counter(words)
    marks = [torch.tensor([w in marked for w in text], dtype=torch.bool) for text in texts]
    those = torch.cat(marks)
    # The others, weighted so that words between two powers of 2 count as often as marked ones do.
    octaves = torch.tensor([times[word].bit_length() for word in words])
    here, there = (octaves[chosen].bincount(minlength=64) for chosen in (those, ~those))
    weights = (here / there)[octaves].double().where(~those, 0)
    ahead = [_ahead(row[: len(mark)], mark) for row, mark in zip(shares, marks, strict=True)]
    return MarkedWords(
        times=int(those.sum()),
        shares=_mean(values[those]),
        others=_mean(values[~those]),
        as_rare=_mean(values, weights),
        ahead=_mean(torch.cat(ahead)),
    )


def _ahead(shares: Tensor, marked: Tensor) -> Tensor:
    """For each marked word of a text the part of the others that it is ahead of."""
    if marked.all():
        return shares[:0]
    return ((shares[marked, None] - shares[~marked]).sign().mean(1) + 1) / 2


def _mean(values: Tensor, weights: Tensor | None = None) -> float | None:
    weights = torch.ones_like(values) if weights is None else weights
    total = weights.sum()
    return (values @ weights / total).item() if total > 0 else None

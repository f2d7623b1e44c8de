"""Erasure of words: what becomes of a classifier's decision without those that it attends to.

For each text the words are put in an order, and the first k of them are erased. Erased means that
no token attends to the word's tokens any more; all others keep their places. Closing the gap
instead would move everything behind the word, so that words at the start would seem to matter more
than words at the end. Texts are cut to the model's length first: nothing new moves in.

The orders:

most attended, least attended
    By the share of `mdlib.studies.text.attended`.
most attended per token
    By the share over the number of tokens: a rare word of many pieces collects more attention than
    a common one, and more is erased with it.
random
    Any words, several times.
gradient
    By what a word's embedding says for the model's decision, to first order: its product with the
    gradient of the logit. It sees what attention does not, the sign and the size of what is read,
    and so shows how much there is to find.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from mdlib.data.text.tokenizer import Tokenizer
from mdlib.nn import TextClassifier
from mdlib.studies.text.attended import Attended, attend, number_words
from mdlib.train import Sequences
from mdlib.train.batches import sorted_batches

ORDERS = ("most attended", "most attended per token", "least attended", "random", "gradient")


@dataclass(frozen=True)
class Erased:
    """What erasing words in one order does, means over the texts, one for each of the counts.

    Attributes
    ----------
    drop : tuple of float
        How far the logit moved towards the other class than the model had decided for.
    flipped : tuple of float
        Whether it got there.
    accuracy : tuple of float
        Whether the decision is now right.
    tokens, attention : tuple of float
        What was erased: how many tokens, and what share of attention they had.
    """

    drop: tuple[float, ...]
    flipped: tuple[float, ...]
    accuracy: tuple[float, ...]
    tokens: tuple[float, ...]
    attention: tuple[float, ...]


@dataclass(frozen=True)
class Erasure:
    """What erasing words does to a classifier's decisions.

    Attributes
    ----------
    counts : tuple of int
        How many words were erased.
    texts : int
        How many there were.
    words, accuracy, logit : float
        Before: the mean number of words, the share of right decisions, the mean absolute logit.
    orders : mapping
        For each of `ORDERS` what was `Erased`.
    """

    counts: tuple[int, ...]
    texts: int
    words: float
    accuracy: float
    logit: float
    orders: Mapping[str, Erased]


def erase(
    model: TextClassifier,
    tokenizer: Tokenizer,
    texts: Sequences,
    counts: Sequence[int] = (1, 2, 4, 8, 16),
    draws: int = 3,
    seed: int = 0,
    batch_size: int = 50,
) -> Erasure:
    """Measure what erasing k words does to a classifier's decisions.

    Parameters
    ----------
    model : TextClassifier
        In evaluation mode, with one logit.
    tokenizer : Tokenizer
        The one that it reads with.
    texts : Sequences
        With labels 0 and 1; each of more words than are erased.
    counts : sequence of int
        The k.
    draws : int
        Random orders, the mean of which is returned.
    seed : int
        Of the random orders.
    batch_size : int

    Raises
    ------
    ValueError
        For counts below 0, draws below 1, or a text that has no more words than are erased.
    """
    if min(counts) < 0 or draws < 1:
        raise ValueError(f"counts must be >= 0 and draws >= 1, got {list(counts)} and {draws}")
    generator = torch.Generator().manual_seed(seed)
    device = next(model.parameters()).device
    repeats = [draws if order == "random" else 1 for order in ORDERS]
    sums = torch.zeros(len(ORDERS), len(counts), len(fields(Erased)), dtype=torch.float64)
    before = torch.zeros(3, dtype=torch.float64)
    for batch in sorted_batches(texts.lengths, batch_size):
        (ids,), labels = texts.collate(batch)
        ids, sides = ids.to(device), 2 * labels.to(device) - 1
        seen = attend(model, ids, tokenizer)
        if int(seen.words.min()) <= max(counts):
            raise ValueError(
                f"a text has {int(seen.words.min())} words, not more than the {max(counts)} to "
                "erase; leave such texts out"
            )
        numbers = number_words(ids, tokenizer, model.padding)
        before += _sums(seen.words, seen.logits * sides > 0, seen.logits.abs())
        for row, order in enumerate(ORDERS):
            for _ in range(repeats[row]):
                places = _places(_priority(order, model, ids, numbers, seen, generator), seen.words)
                for column, count in enumerate(counts):
                    chosen = places < count
                    sums[row, column] += _effect(model, ids, sides, seen, numbers, chosen)
    words, accuracy, logit = (before / len(texts)).tolist()
    means = sums / (torch.tensor(repeats)[:, None, None] * len(texts))
    orders = {
        order: Erased(*map(tuple, lists))
        for order, lists in zip(ORDERS, means.mT.tolist(), strict=True)
    }
    return Erasure(tuple(counts), len(texts), words, accuracy, logit, orders)


def choose_texts(texts: Sequences, tokenizer: Tokenizer, more_than: int, count: int) -> Sequences:
    """Draw texts that have enough words, the same ones every time.

    Parameters
    ----------
    texts : Sequences
    tokenizer : Tokenizer
    more_than : int
        A text with so many words or fewer is left out.
    count : int
        How many to draw; all, if there are not as many.

    Raises
    ------
    ValueError
        If no text has enough words.
    """
    chosen: list[int] = []
    for i in torch.randperm(len(texts), generator=torch.Generator().manual_seed(0)).tolist():
        if len(chosen) == count:
            break
        if number_words(texts.ids[i][None], tokenizer, texts.padding).max() > more_than:
            chosen.append(i)
    if not chosen:
        raise ValueError(f"none of the {len(texts)} texts has more than {more_than} words")
    return Sequences([texts.ids[i] for i in chosen], texts.labels[chosen], texts.padding)


def _priority(
    order: str,
    model: TextClassifier,
    ids: Tensor,
    numbers: Tensor,
    seen: Attended,
    generator: torch.Generator,
) -> Tensor:
    """What a word is chosen by, the largest first, (B, 1 + n)."""
    if order == "most attended":
        return seen.shares
    if order == "most attended per token":
        return seen.shares / seen.tokens.clamp_min(1)
    if order == "least attended":
        return -seen.shares
    if order == "random":
        return torch.rand(seen.shares.shape, generator=generator).to(seen.shares.device)
    return _spoken_for_the_decision(model, ids, numbers, seen)


def _places(priority: Tensor, words: Tensor) -> Tensor:
    """Where each word stands in the order, 0 for the first; behind them what is no word."""
    column = torch.arange(priority.shape[1], device=priority.device)
    real = (column > 0) & (column <= words[:, None])
    return priority.masked_fill(~real, -torch.inf).argsort(1, descending=True).argsort(1)


@torch.no_grad()
def _effect(
    model: TextClassifier,
    ids: Tensor,
    sides: Tensor,
    seen: Attended,
    numbers: Tensor,
    chosen: Tensor,
) -> Tensor:
    """The sum over a batch of each field of `Erased`, with the chosen words erased."""
    erased = chosen.gather(1, numbers)
    after = model(ids.masked_fill(erased, model.padding))  # no token attends to padding
    decided = seen.logits.sign()
    return _sums(
        decided * (seen.logits - after),
        after * decided < 0,
        after * sides > 0,
        erased.sum(1),
        (seen.shares * chosen).sum(1),
    )


def _sums(*columns: Tensor) -> Tensor:
    return torch.stack([column.double().sum() for column in columns]).cpu()


def _spoken_for_the_decision(
    model: TextClassifier, ids: Tensor, numbers: Tensor, seen: Attended
) -> Tensor:
    """Gradient times embedding, summed over a word's tokens, signed by the decision."""
    leaves: list[Tensor] = []

    def begin_here(module: object, args: object, embedded: Tensor) -> Tensor:
        leaves.append(embedded.detach().requires_grad_())
        return leaves[0]

    handle = model.tokens.register_forward_hook(begin_here)
    try:
        with torch.enable_grad():
            (gradient,) = torch.autograd.grad(model(ids).sum(), leaves)
    finally:
        handle.remove()
    products = (gradient * leaves[0].detach()).sum(-1) * seen.logits.sign()[:, None]
    return torch.zeros_like(seen.shares).scatter_add(1, numbers, products)

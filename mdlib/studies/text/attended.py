"""Attention by word: what the first token of a classifier attends to in the last layer.

[CLS] is what the readout reads, so the last layer's row 0, averaged over heads, says what the logit
is mixed from. A word's share is the sum over its tokens; a sign such as a full stop is a word, too.
[CLS] also attends to itself. That share is no word's: the words' shares sum to 1 less it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mdlib.data.text.tokenizer import Tokenizer
from mdlib.nn import TextClassifier


class Reading(NamedTuple):
    """What a model read: each word with its share, [CLS]'s share of itself, and the logit."""

    words: list[tuple[str, float]]
    itself: float
    logit: float


class Attended(NamedTuple):
    """Attention by word of B texts, the longest of n words, and the logits.

    Attributes
    ----------
    shares : Tensor (B, 1 + n)
        Of [CLS] in column 0, of the k-th word in column k; 0 where there is none.
    words : int tensor (B,)
        How many there are.
    tokens : Tensor (B, 1 + n)
        How many tokens each has.
    logits : Tensor (B,)
    """

    shares: Tensor
    words: Tensor
    tokens: Tensor
    logits: Tensor


def number_words(ids: Tensor, tokenizer: Tokenizer, padding: int = 0) -> Tensor:
    """Return which word each token belongs to, counted from 1; 0 for [CLS] and for padding.

    Parameters
    ----------
    ids : int tensor (B, T)
        [CLS] first, padded at the end.
    tokenizer : Tokenizer
    padding : int

    Returns
    -------
    int tensor (B, T)
        The k-th word is ``tokenizer.words(text)[k - 1]``.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["so good", "so bad", "not good"], size=40)
    >>> ids = tokenizer.encode(["so good bad"])[0][None]
    >>> tokenizer.tokens(ids[0]), number_words(ids, tokenizer).tolist()
    (['[CLS]', 'so', 'good', 'bad'], [[0, 1, 2, 3]])
    """
    found, where = torch.unique(ids, return_inverse=True)
    begins = [not token.startswith("##") for token in tokenizer.tokens(found)]
    numbers = torch.tensor(begins, device=ids.device)[where].cumsum(1) - 1
    return numbers.masked_fill(ids == padding, 0)


@torch.no_grad()
def attend(model: TextClassifier, ids: Tensor, tokenizer: Tokenizer) -> Attended:
    """Return what the readout attends to, word by word.

    Raises
    ------
    ValueError
        If the model is in training mode, where its logits are random.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["so good", "so bad", "not good"], size=40)
    >>> model = TextClassifier(len(tokenizer), width=8, layers=1, heads=2, hidden=8).eval()
    >>> seen = attend(model, tokenizer.encode(["so good"])[0][None], tokenizer)
    >>> seen.words.tolist(), round(seen.shares.sum().item(), 6)
    ([2], 1.0)
    """
    if model.training:
        raise ValueError("the model is in training mode; call model.eval() first")
    weights = model.attention(ids)[-1][:, :, 0].mean(1)
    numbers = number_words(ids, tokenizer, model.padding)
    words = numbers.amax(1)
    empty = weights.new_zeros(len(ids), int(words.max()) + 1)
    return Attended(
        empty.scatter_add(1, numbers, weights),
        words,
        empty.scatter_add(1, numbers, (ids != model.padding).to(weights.dtype)),
        model(ids),
    )


def read(model: TextClassifier, tokenizer: Tokenizer, texts: Sequence[str]) -> list[Reading]:
    """Return what a model makes of some texts, each word as it is written with its share.

    Examples
    --------
    >>> tokenizer = Tokenizer.train(["so good", "so bad", "not good"], size=40)
    >>> model = TextClassifier(len(tokenizer), width=8, layers=1, heads=2, hidden=8).eval()
    >>> (reading,) = read(model, tokenizer, ["So GOOD"])
    >>> [word for word, share in reading.words]
    ['So', 'GOOD']
    """
    longest = model.positions.num_embeddings
    seen = attend(model, encode(model, tokenizer, texts), tokenizer)
    readings = []
    for text, shares, logit in zip(texts, seen.shares.tolist(), seen.logits.tolist(), strict=True):
        written = [word.text for word in tokenizer.words(text, longest)]
        pairs = list(zip(written, shares[1:], strict=False))
        readings.append(Reading(pairs, shares[0], logit))
    return readings


def encode(model: TextClassifier, tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """Return the ids of the texts, cut to the model's length, padded at the end, on its device."""
    if not texts:
        raise ValueError("there are no texts")
    ids = tokenizer.encode(texts, model.positions.num_embeddings)
    padded = pad_sequence(ids, batch_first=True, padding_value=model.padding)
    return padded.to(model.positions.weight.device)

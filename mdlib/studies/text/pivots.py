r"""How well a classifier finds the marked words of the pivot benchmark.

A marked word is measured three ways, in a sentence of n words with shares :math:`s_1, \dots, s_n`:

share
    :math:`s_i`. Where attention is uniform a word has its tokens' part of all tokens.
score
    The paper's: :math:`(s_i - \min s) / (\max s - \min s)`. Where all are equal: 1/2.
rank
    1 for the most attended word, n for the least; equal ones share the mean of their ranks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from mdlib.data.text.pivot import GROUPS, PivotSentence, load_pivot_words
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.nn import TextClassifier
from mdlib.studies.text.attended import Attended, attend, encode


def look_at_pivots(
    model: TextClassifier, tokenizer: Tokenizer, sentences: Sequence[PivotSentence] | None = None
) -> dict[str, Any]:
    """Measure how well a classifier finds the marked words of `mdlib.data.text.pivot`.

    Logits of single sentences mislead: a model of long reviews may find every short sentence
    negative. So what counts is whether it puts the positive sentence of a pair above the other.

    Parameters
    ----------
    model : TextClassifier
        In evaluation mode.
    tokenizer : Tokenizer
        The one that it reads with.
    sentences : sequence of PivotSentence, optional
        Whole pairs, in any order; by default all 480.

    Returns
    -------
    dict
        For each group that there is a dict with

        ``share``, ``score``, ``rank``, ``first``
            Means over its sentences for the marked word; ``first`` is how often it is the most
            attended, equal ones counting in part.
        ``chance``
            The same four: ``share`` where attention is uniform, the others for a word drawn at
            random of each sentence, under the model's own attention.
        ``pairs``, ``accuracy``
            The share of pairs in the right order, equal logits counting half; and of sentences on
            the right side of 0.
        ``positive``, ``negative``
            The first five of the sentences with that label alone.
        ``negation``
            In the group "negated": the first five for the word that negates.

        and ``sentences``, with the columns ``score``, ``rank`` and ``logit``, rounded, in the order
        of the sentences: for tests that pair them.

    Raises
    ------
    ValueError
        If a pair is not whole, or a marked word lies beyond the length that the model reads.
    """
    sentences = load_pivot_words(*GROUPS) if sentences is None else sentences
    seen = attend(model, encode(model, tokenizer, [s.text for s in sentences]), tokenizer)
    room = model.positions.num_embeddings
    marked = _measure(seen, [_number(tokenizer, s.text, s.span, room) for s in sentences])
    ordered = _ordered(sentences, seen.logits)
    labels = torch.tensor([s.label for s in sentences], device=seen.logits.device)
    found: dict[str, Any] = {}
    for group in dict.fromkeys(s.group for s in sentences):
        member = torch.tensor([s.group == group for s in sentences], device=labels.device)
        found[group] = _means(marked, member) | {
            "pairs": ordered[member].mean().item(),
            "accuracy": (seen.logits * labels > 0)[member].double().mean().item(),
            "positive": _means(marked, member & (labels > 0)),
            "negative": _means(marked, member & (labels < 0)),
        }
    if "negated" in found:
        spans = [s.negation or s.span for s in sentences]
        negations = [
            _number(tokenizer, s.text, span, room) for s, span in zip(sentences, spans, strict=True)
        ]
        member = torch.tensor([s.group == "negated" for s in sentences], device=labels.device)
        found["negated"]["negation"] = _means(_measure(seen, negations), member)
    columns = {"score": marked["score"], "rank": marked["rank"], "logit": seen.logits}
    found["sentences"] = {name: [round(x, 3) for x in v.tolist()] for name, v in columns.items()}
    return found


def _measure(seen: Attended, places: Sequence[int]) -> dict[str, Tensor]:
    """Each measure of one word a text, and its chance level under the name ``chance NAME``."""
    shares, count = seen.shares[:, 1:].double(), seen.words
    at = torch.tensor(places, device=shares.device)[:, None] - 1
    real = torch.arange(shares.shape[1], device=shares.device) < count[:, None]
    low = shares.masked_fill(~real, torch.inf).amin(1, keepdim=True)
    high = shares.amax(1, keepdim=True)
    scores = torch.where(high > low, (shares - low) / (high - low), 0.5)
    own = shares.gather(1, at)
    above, equal = ((shares > own) & real).sum(1), ((shares == own) & real).sum(1)
    tokens = seen.tokens.double()
    return {
        "share": own[:, 0],
        "score": scores.gather(1, at)[:, 0],
        "rank": above + (equal + 1) / 2,
        "first": (above == 0) / equal,
        "chance share": tokens[:, 1:].gather(1, at)[:, 0] / tokens.sum(1),
        "chance score": (scores * real).sum(1) / count,
        "chance rank": (count + 1) / 2,
        "chance first": 1 / count,
    }


def _means(measured: Mapping[str, Tensor], chosen: Tensor) -> dict[str, Any]:
    means = {name: values[chosen].double().mean().item() for name, values in measured.items()}
    names = ("share", "score", "rank", "first")
    return {name: means[name] for name in names} | {
        "chance": {name: means[f"chance {name}"] for name in names}
    }


def _ordered(sentences: Sequence[PivotSentence], logits: Tensor) -> Tensor:
    """For each sentence whether its pair is in the right order: 1, 0, or 1/2 for equal logits."""
    rows: dict[tuple[int, int], int] = {(s.pair, s.label): i for i, s in enumerate(sentences)}
    partner = []
    for s in sentences:
        if (s.pair, -s.label) not in rows:
            raise ValueError(f"pair {s.pair} is not whole: {s.text!r} is there without the other")
        partner.append(rows[s.pair, -s.label])
    labels = torch.tensor([s.label for s in sentences], device=logits.device)
    return ((logits - logits[partner]).sign() * labels + 1).double() / 2


def _number(tokenizer: Tokenizer, text: str, span: tuple[int, int], room: int) -> int:
    """Which word of the text stands at the span, counted from 1."""
    for number, word in enumerate(tokenizer.words(text, room), start=1):
        if word.start <= span[0] < word.end:
            return number
    raise ValueError(
        f"{text[slice(*span)]!r} lies beyond the {room} tokens that the model reads of {text!r}; "
        "take a model with a larger max_length"
    )

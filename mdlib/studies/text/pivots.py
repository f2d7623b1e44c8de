"""Attention to the marked words of the pivot benchmark: how well a classifier finds them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mdlib.data.text.pivot import GROUPS, PivotSentence, load_pivot_words
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.nn import TextClassifier
from mdlib.runs.schema import others
from mdlib.studies.text.attended import Attended, attend, encode


@dataclass(frozen=True)
class WordAttention:
    r"""Attention to one word of a sentence, means over sentences.

    Attributes
    ----------
    share : float
        :math:`s_i` of the shares :math:`s_1, \dots, s_n` of the n words. Where attention is uniform
        a word has its tokens' part of all tokens.
    score : float
        The paper's: :math:`(s_i - \min s) / (\max s - \min s)`. Where all are equal: 1/2.
    rank : float
        1 for the most attended word, n for the least; equal ones share the mean of their ranks.
    first : float
        How often it is the most attended one, equal ones counting in part.
    """

    share: float
    score: float
    rank: float
    first: float


@dataclass(frozen=True)
class MarkedWord(WordAttention):
    """Attention to the marked word.

    Attributes
    ----------
    chance : WordAttention
        The ``share`` where attention is uniform, the others for a word drawn at random of each
        sentence, under the model's own attention.
    """

    chance: WordAttention


@dataclass(frozen=True)
class PivotGroup(MarkedWord):
    """What a classifier does with a group of sentences.

    Attributes
    ----------
    pairs : float
        The share of pairs in the right order, equal logits counting half.
    accuracy : float
        The share of sentences on the right side of 0.
    positive, negative : MarkedWord
        In the sentences with that label alone.
    negation : MarkedWord or None
        In the group "negated": attention to the word that negates.
    """

    pairs: float
    accuracy: float
    positive: MarkedWord
    negative: MarkedWord
    negation: MarkedWord | None = None


@dataclass(frozen=True)
class BySentence:
    """The marked word sentence by sentence, rounded, for tests that pair sentences.

    Attributes
    ----------
    score : tuple of float
    rank, logit : tuple of float, or None
        None in records, which keep the scores alone: the others weigh as much.
    """

    score: tuple[float, ...]
    rank: tuple[float, ...] | None = None
    logit: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Pivots:
    """How well a classifier finds the marked words of `mdlib.data.text.pivot`.

    Attributes
    ----------
    groups : mapping
        Of the groups that there are, "template", "written" and "negated", each a `PivotGroup`.
        They are attributes, too.
    sentences : BySentence
        In the order of the sentences.
    """

    groups: Mapping[str, PivotGroup] = field(metadata=others())
    sentences: BySentence

    @property
    def template(self) -> PivotGroup:
        """Sentences from templates."""
        return self.groups["template"]

    @property
    def written(self) -> PivotGroup:
        """Sentences written by hand."""
        return self.groups["written"]

    @property
    def negated(self) -> PivotGroup:
        """Sentences with a word that negates."""
        return self.groups["negated"]


def look_at_pivots(
    model: TextClassifier, tokenizer: Tokenizer, sentences: Sequence[PivotSentence] | None = None
) -> Pivots:
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

    Raises
    ------
    ValueError
        If a pair is not whole, or a marked word lies beyond the length that the model reads.
    """
    sentences = load_pivot_words(*GROUPS) if sentences is None else sentences
    seen = attend(model, encode(model, tokenizer, [s.text for s in sentences]), tokenizer)
    marked = _measure(seen, _numbers(model, tokenizer, sentences, [s.span for s in sentences]))
    ordered = _ordered(sentences, seen.logits)
    labels = torch.tensor([s.label for s in sentences], device=seen.logits.device)
    right = seen.logits * labels > 0
    groups = {}
    for name in dict.fromkeys(s.group for s in sentences):
        member = torch.tensor([s.group == name for s in sentences], device=labels.device)
        negation = None
        if name == "negated":
            spans = [s.negation or s.span for s in sentences]
            its = _measure(seen, _numbers(model, tokenizer, sentences, spans))
            negation = _means(its, member)
        groups[name] = PivotGroup(
            **vars(_means(marked, member)),
            pairs=ordered[member].mean().item(),
            accuracy=right[member].double().mean().item(),
            positive=_means(marked, member & (labels > 0)),
            negative=_means(marked, member & (labels < 0)),
            negation=negation,
        )
    columns = {"score": marked["score"], "rank": marked["rank"], "logit": seen.logits}
    rounded = {name: tuple(round(x, 3) for x in v.tolist()) for name, v in columns.items()}
    return Pivots(groups, BySentence(**rounded))


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


def _means(measured: Mapping[str, Tensor], chosen: Tensor) -> MarkedWord:
    means = {name: values[chosen].double().mean().item() for name, values in measured.items()}
    names = ("share", "score", "rank", "first")
    chance = WordAttention(**{name: means[f"chance {name}"] for name in names})
    return MarkedWord(**{name: means[name] for name in names}, chance=chance)


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


def _numbers(
    model: TextClassifier,
    tokenizer: Tokenizer,
    sentences: Sequence[PivotSentence],
    spans: Sequence[tuple[int, int]],
) -> list[int]:
    """Which word of each sentence stands at the span, counted from 1."""
    room = model.positions.num_embeddings
    pairs = zip(sentences, spans, strict=True)
    return [_number(tokenizer, s.text, span, room) for s, span in pairs]


def _number(tokenizer: Tokenizer, text: str, span: tuple[int, int], room: int) -> int:
    """Which word of the text stands at the span, counted from 1."""
    for number, word in enumerate(tokenizer.words(text, room), start=1):
        if word.start <= span[0] < word.end:
            return number
    raise ValueError(
        f"{text[slice(*span)]!r} lies beyond the {room} tokens that the model reads of {text!r}; "
        "take a model with a larger max_length"
    )

"""Inspection of models on sentences: what they get right, which words they look at, and why.

A method is an exponent, as in "1.5", or the `BASELINE`, which has no attention. Where there is a
number for each of its models, they are in the order of the seeds. Shares and accuracies are of 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.data.text.bags import sentence_problem
from mdlib.data.text.labelled import TextData
from mdlib.data.text.pivot import load_pivot_words
from mdlib.data.text.vectors import WordVectors
from mdlib.measure.paired import crossed_difference
from mdlib.measure.shares import AttendedWord, most_attended
from mdlib.runs.schema import named
from mdlib.studies.sentences.run import Model, correct
from mdlib.studies.sentences.words import hide, one_word, other_tokens

BASELINE = "mean word"
DTYPE = torch.float32

Models = Mapping[str, Sequence[Model]]
BySeed = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Gain:
    """A difference of accuracies and the half width of its 95 % interval, in percentage points.

    Seeds and test sentences are both samples, see `mdlib.measure.crossed_difference`.
    """

    points: float
    half: float


@dataclass(frozen=True)
class Example:
    """A test sentence: its words, its label -1 or +1, and each method's attention on each word."""

    words: tuple[str, ...]
    label: int
    attention: BySeed


@dataclass(frozen=True)
class OnPivots:
    """The pivot benchmark, as far as its pivots have vectors.

    Attributes
    ----------
    sentences : int
    chance : float
        How often a word drawn at random is the pivot.
    accuracy : mapping
        By method, for each seed.
    on_top : mapping
        How often the pivot has the most attention, by method, for each seed.
    """

    sentences: int
    chance: float
    accuracy: BySeed
    on_top: BySeed = field(metadata=named("pivot on top"))


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What trained models do with the test sentences, by method.

    Attributes
    ----------
    accuracy : mapping
        For each seed, the baseline's too.
    over_baseline, over_p2 : mapping
        The `Gain` in accuracy over the baseline, and over p = 2.
    top_hidden, another_hidden : mapping
        Accuracy without the most attended word, and without another one, for each seed.
    top_alone : mapping
        Accuracy of v on the most attended word alone, for each seed.
    top_share : mapping
        Mean attention on the most attended word, for each seed.
    equal_share : float
        What it would be if all words got the same.
    large_entries : mapping
        The share of W's entries above a hundredth of the largest, for each seed.
    agreement : mapping
        By two exponents, as in "1.1, 2": the share of sentences with the same most attended word,
        of models of one seed; of p with itself, of models of two seeds.
    words : mapping
        The most attended words.
    examples : tuple of Example
        Of the first seed.
    pivot : OnPivots
    """

    accuracy: BySeed
    over_baseline: Mapping[str, Gain] = field(metadata=named("over baseline"))
    over_p2: Mapping[str, Gain] = field(metadata=named("over p = 2"))
    top_hidden: BySeed = field(metadata=named("top word hidden"))
    another_hidden: BySeed = field(metadata=named("another hidden"))
    top_alone: BySeed = field(metadata=named("top word alone"))
    top_share: BySeed = field(metadata=named("top share"))
    equal_share: float = field(metadata=named("equal share"))
    large_entries: BySeed = field(metadata=named("large entries"))
    agreement: Mapping[str, float]
    words: Mapping[str, tuple[AttendedWord, ...]]
    examples: tuple[Example, ...]
    pivot: OnPivots


def as_problem(data: TextData, vectors: WordVectors) -> AttentionProblem:
    """Return the data as one problem, labels as -1 and +1."""
    return sentence_problem(data.texts, 2 * data.labels - 1, vectors, DTYPE)


def look_inside(models: Models, test: TextData, vectors: WordVectors) -> Inside:
    """Look at the test sentences, once, with the models of each method."""
    problem, words = as_problem(test, vectors), [vectors.known(text) for text in test.texts]
    right = {name: _stack(correct(problem, m) for m in same) for name, same in models.items()}
    attending = {name: same for name, same in models.items() if name != BASELINE}
    attention = {
        name: _stack(problem.attention(model.W) for model in same)
        for name, same in attending.items()
    }
    tops = {name: weights.argmax(-1) for name, weights in attention.items()}

    def after(change: Callable[[Model, Tensor], Tensor]) -> BySeed:
        """Accuracy when something is done to the most attended words."""
        return {
            name: _means(_stack(map(change, same, tops[name]))) for name, same in attending.items()
        }

    def hidden(model: Model, tokens: Tensor) -> Tensor:
        return correct(hide(problem, tokens), model)

    lengths = torch.tensor([len(one) for one in words]).double()
    return Inside(
        accuracy={name: _means(one) for name, one in right.items()},
        over_baseline={name: _gain(right[name], right[BASELINE]) for name in attending},
        over_p2={name: _gain(right[name], right["2"]) for name in attending if name != "2"},
        top_hidden=after(hidden),
        another_hidden=after(lambda model, top: hidden(model, other_tokens(problem, top))),
        top_alone=after(lambda model, top: one_word(problem, model, top)),
        top_share={name: _means(weights.amax(-1)) for name, weights in attention.items()},
        equal_share=(1 / lengths).mean().item(),
        large_entries={n: tuple(_large(m.W) for m in same) for n, same in attending.items()},
        agreement={f"{a}, {b}": _agreement(tops, a, b) for a in tops for b in tops},
        words={
            name: tuple(most_attended(words, weights.mean(0) * lengths[:, None], count=12))
            for name, weights in attention.items()
        },
        examples=_examples(problem, words, attention),
        pivot=on_pivots(models, vectors),
    )


def on_pivots(models: Models, vectors: WordVectors) -> OnPivots:
    """Try the models on the project's minimal pairs, those whose pivot has a vector."""
    sentences = [s for s in load_pivot_words() if len(vectors.known(s.pivot)) == 1]
    texts, labels = [s.text for s in sentences], [s.label for s in sentences]
    problem = sentence_problem(texts, labels, vectors, DTYPE)
    places = [vectors.known(s.text).index(vectors.known(s.pivot)[0]) for s in sentences]
    pivots = torch.tensor(places)
    assert problem.mask is not None
    return OnPivots(
        sentences=len(sentences),
        chance=(1 / problem.mask.sum(-1).double()).mean().item(),
        accuracy={n: _means(_stack(correct(problem, m) for m in ms)) for n, ms in models.items()},
        on_top={
            name: _means(_stack(problem.attention(m.W).argmax(-1) == pivots for m in same))
            for name, same in models.items()
            if name != BASELINE
        },
    )


def _examples(
    problem: AttentionProblem,
    words: Sequence[Sequence[str]],
    attention: Mapping[str, Tensor],
    count: int = 4,
) -> tuple[Example, ...]:
    """Sentences of about nine words."""
    middle = sorted(range(len(words)), key=lambda i: abs(len(words[i]) - 9))[:count]
    return tuple(
        Example(
            tuple(words[i]),
            int(problem.y[i]),
            {name: tuple(a[0, i, : len(words[i])].tolist()) for name, a in attention.items()},
        )
        for i in middle
    )


def _agreement(tops: Mapping[str, Tensor], a: str, b: str) -> float:
    same = tops[a][:, None] == tops[b][None]
    if a == b:
        R = len(same)
        return float(same[~torch.eye(R, dtype=torch.bool)].double().mean())
    return float(same.diagonal().double().mean())


def _gain(a: Tensor, b: Tensor) -> Gain:
    found = crossed_difference(a, b)
    return Gain(points=100 * found.mean, half=50 * (found.high - found.low))


def _large(W: Tensor) -> float:
    return float((W.abs() > 0.01 * W.abs().max()).double().mean())


def _stack(rows: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(rows))


def _means(values: Tensor) -> tuple[float, ...]:
    return tuple(values.double().mean(-1).tolist())

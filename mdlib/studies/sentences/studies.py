"""The book's study of sentences: the paper's one-layer model on SST-2 over word vectors from IMDb.

What is tuned, for each p and for the baseline, is tuned by the loss on SST-2's validation sentences
with phrases that are drawn for that alone. Then every method is trained on the same fresh draws,
and the test sentences are looked at once. Unlike a `mdlib.runs.study.Study` it has no runs of its
own on disk: a model is trained in seconds, and what is measured compares all of them.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import TypeVar

import torch

from mdlib.attention.problem import AttentionProblem
from mdlib.data.text.bags import by_length
from mdlib.data.text.labelled import TextData
from mdlib.data.text.sets import load_imdb, load_sst2
from mdlib.data.text.vectors import WordVectors, word_vectors
from mdlib.runs.record import Provenance, shipped
from mdlib.runs.schema import named, others
from mdlib.studies.sentences.inspection import BASELINE, Inside, as_problem, look_inside
from mdlib.studies.sentences.margins import RATES, Standing, small_problems, standing
from mdlib.studies.sentences.run import Model, mean_word, train

SHOWN = ("good", "crap", "boring", "director")  # words whose neighbours are recorded


@dataclass(frozen=True)
class Plan:
    """The size of the experiment; the default is what is recorded."""

    dim: int = 64
    min_count: int = 20
    phrases: int = 8_000
    tuning_seed: int = 0
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    rates: tuple[tuple[float, tuple[float, ...]], ...] = (
        (1.1, (0.02, 0.05, 0.1, 0.2)),
        (1.5, (0.1, 0.3, 1.0, 3.0)),
        (2.0, (0.1, 0.3, 1.0, 3.0)),
        (3.0, (0.3, 1.0, 3.0, 10.0)),
    )
    steps: tuple[int, ...] = (50, 150)
    penalties: tuple[float, ...] = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
    small: int = 20
    small_seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    small_steps: int = 20_000


# Seconds instead of minutes: whether everything works, not how well.
QUICK = Plan(
    dim=16,
    min_count=100,
    phrases=300,
    seeds=(1, 2),
    rates=((1.1, (0.1,)), (1.5, (1.0,)), (2.0, (1.0,)), (3.0, (3.0,))),
    steps=(20,),
    small=5,
    small_seeds=(1, 2),
    small_steps=2000,
)


@dataclass(frozen=True)
class Setting:
    """A step size and a number of steps, and the loss on validation sentences that they led to."""

    lr: float
    steps: int
    loss: float


@dataclass(frozen=True)
class Penalty:
    """The inverse C of the weight of the baseline's penalty, and the loss that it led to."""

    C: float
    loss: float


@dataclass(frozen=True)
class Tuning:
    """Every setting tried, the one with the lowest loss first.

    Attributes
    ----------
    by_p : mapping
        By exponent, as in "1.5".
    baseline : tuple of Penalty
    """

    by_p: Mapping[str, tuple[Setting, ...]] = field(metadata=others())
    baseline: tuple[Penalty, ...] = field(metadata=named(BASELINE))


@dataclass(frozen=True)
class Vocabulary:
    """How many words have a vector, and which are nearest to those of `SHOWN`."""

    words: int
    neighbours: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Counts:
    """How many phrases there are to draw from, and sentences to tune with and to test."""

    train: int
    validation: int
    test: int


@dataclass(frozen=True, kw_only=True)
class Findings(Inside):
    """What the study found, beside what the models are like inside.

    Attributes
    ----------
    provenance : Provenance or None
        None where it was not recorded.
    plan : Plan
    vectors : Vocabulary
    tuning : Tuning
    counts : Counts
    margins : mapping
        By exponent where W and v stand on a few sentences.
    seconds : mapping
        Of processor time, by part.
    """

    provenance: Provenance | None = None
    plan: Plan
    vectors: Vocabulary
    tuning: Tuning
    counts: Counts
    margins: Mapping[str, Standing]
    seconds: Mapping[str, float]


def recorded() -> Findings:
    """Return the findings as they were recorded for the book.

    Examples
    --------
    >>> sorted(recorded().accuracy)
    ['1.1', '1.5', '2', '3', 'mean word']
    """
    return shipped("sentences", Findings)


def measure(plan: Plan | None = None) -> Findings:
    """Conduct the study.

    Raises
    ------
    UnavailableError
        If IMDb or SST-2 is not here and cannot be fetched.
    """
    plan, started, seconds = plan or Plan(), time.process_time(), dict[str, float]()

    def lap(part: str) -> None:
        passed = time.process_time() - started - sum(seconds.values())
        seconds[part] = round(passed, 1)

    vectors = word_vectors(load_imdb()[0].texts, plan.dim, min_count=plan.min_count)
    lap("vectors")
    data, dev, test = load_sst2(exclude_shared=True)
    tuning = tune(plan, data, vectors, as_problem(dev, vectors))
    lap("tuning")
    models = train_tuned(plan, data, vectors, tuning)
    lap("training")
    inside = look_inside(models, test, vectors)
    lap("test")
    small = small_problems(dev, vectors, plan.small, plan.small_seeds)
    margins = {f"{p:g}": standing(small, p, plan.small_steps, tuple(RATES)) for p in RATES}
    lap("margins")
    near = {word: tuple(vectors.neighbours(word)) for word in SHOWN if word in vectors}
    return Findings(
        **vars(inside),
        plan=plan,
        vectors=Vocabulary(len(vectors.words), near),
        tuning=tuning,
        counts=Counts(len(data), len(dev), len(test)),
        margins=margins,
        seconds=seconds,
    )


def draw(data: TextData, vectors: WordVectors, count: int, seed: int) -> TextData:
    """Return so many random texts that have a known word.

    Raises
    ------
    ValueError
        If there are not as many.
    """
    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(seed))
    rows = [row for row in order.tolist() if vectors.known(data.texts[row])][:count]
    if len(rows) < count:
        raise ValueError(f"only {len(rows)} texts have a known word, fewer than {count}")
    return data[rows]


def tune(plan: Plan, data: TextData, vectors: WordVectors, validation: AttentionProblem) -> Tuning:
    """Train with every setting, each p and the baseline on the same phrases."""
    problem = as_problem(draw(data, vectors, plan.phrases, plan.tuning_seed), vectors)
    parts = by_length(problem, 10)

    def loss(model: Model) -> float:
        return validation.risk(*model).item()

    by_p = {
        f"{p:g}": _sorted(
            Setting(lr, steps, loss(train(parts, p, lr, steps)))
            for lr, steps in product(rates, plan.steps)
        )
        for p, rates in plan.rates
    }
    return Tuning(by_p, _sorted(Penalty(C, loss(mean_word(problem, C))) for C in plan.penalties))


def train_tuned(
    plan: Plan, data: TextData, vectors: WordVectors, tuning: Tuning
) -> dict[str, list[Model]]:
    """A model for each method and seed; the methods of a seed are trained on the same phrases."""
    models: dict[str, list[Model]] = {name: [] for name in (*tuning.by_p, BASELINE)}
    for seed in plan.seeds:
        problem = as_problem(draw(data, vectors, plan.phrases, seed), vectors)
        parts = by_length(problem, 10)
        for p, (best, *_) in tuning.by_p.items():
            models[p].append(train(parts, float(p), best.lr, best.steps))
        models[BASELINE].append(mean_word(problem, tuning.baseline[0].C))
    return models


S = TypeVar("S", Setting, Penalty)


def _sorted(tried: Iterable[S]) -> tuple[S, ...]:
    return tuple(sorted(tried, key=lambda one: one.loss))

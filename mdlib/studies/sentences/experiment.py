"""The paper's one-layer model on SST-2 over word vectors from IMDb: everything that is recorded.

What is tuned, for each p and for the baseline, is tuned by the loss on SST-2's validation sentences
with phrases that are drawn for that alone. Then every method is trained on the same fresh draws,
and the test sentences are looked at once.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.data.text.bags import by_length, sentence_problem
from mdlib.data.text.pivot import load_pivot_words
from mdlib.data.text.sets import TextData, load_imdb, load_sst2
from mdlib.data.text.vectors import WordVectors, word_vectors
from mdlib.measure.paired import crossed_difference
from mdlib.measure.shares import most_attended
from mdlib.studies.sentences.baseline import mean_word, search_penalty
from mdlib.studies.sentences.margins import RATES as MARGIN_RATES
from mdlib.studies.sentences.margins import small_problems, standing
from mdlib.studies.sentences.training import Model, correct, search, train
from mdlib.studies.sentences.words import hide, one_word, other_tokens

BASELINE = "mean word"
DTYPE = torch.float32
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


def measure(plan: Plan | None = None) -> dict[str, Any]:
    """Run the experiment and return all results as plain values, with the seconds each part took.

    Raises
    ------
    UnavailableError
        If IMDb or SST-2 is not here and cannot be fetched.
    """
    plan = plan or Plan()
    clock = _Clock()
    vectors = word_vectors(load_imdb()[0].texts, plan.dim, min_count=plan.min_count)
    result: dict[str, Any] = {"plan": asdict(plan), "vectors": _described(vectors)}
    clock.lap("vectors")
    data, dev, test = load_sst2(exclude_shared=True)
    validation = as_problem(dev, vectors)
    result["tuning"] = chosen = tune(plan, data, vectors, validation)
    result["counts"] = {"train": len(data), "validation": len(dev), "test": len(test)}
    clock.lap("tuning")
    models = train_all(plan, data, vectors, chosen)
    clock.lap("training")
    result |= accuracies(models, as_problem(test, vectors))
    result |= attention_on(test, vectors, models)
    result["pivot"] = on_pivots(vectors, models)
    clock.lap("test")
    small = small_problems(dev, vectors, plan.small, plan.small_seeds)
    ps = tuple(MARGIN_RATES)
    result["margins"] = {f"{p:g}": standing(small, p, plan.small_steps, ps) for p in ps}
    clock.lap("margins")
    return result | {"seconds": clock.seconds}


def as_problem(data: TextData, vectors: WordVectors) -> AttentionProblem:
    """The data as one problem, labels as -1 and +1."""
    return sentence_problem(data.texts, 2 * data.labels - 1, vectors, DTYPE)


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


def tune(
    plan: Plan, data: TextData, vectors: WordVectors, validation: AttentionProblem
) -> dict[str, list[dict[str, float]]]:
    """Every setting tried, for each p and the baseline, the one with the lowest loss first."""
    problem = as_problem(draw(data, vectors, plan.phrases, plan.tuning_seed), vectors)
    parts = by_length(problem, 10)
    tried: dict[str, Any] = {
        f"{p:g}": search(parts, validation, p, rates, plan.steps) for p, rates in plan.rates
    }
    tried[BASELINE] = search_penalty(problem, validation, plan.penalties)
    return {name: [setting._asdict() for setting in settings] for name, settings in tried.items()}


def train_all(
    plan: Plan, data: TextData, vectors: WordVectors, tuned: dict[str, list[dict[str, float]]]
) -> dict[str, list[Model]]:
    """A model for each method and seed; the methods of a seed are trained on the same phrases."""
    models: dict[str, list[Model]] = {name: [] for name in tuned}
    for seed in plan.seeds:
        problem = as_problem(draw(data, vectors, plan.phrases, seed), vectors)
        parts = by_length(problem, 10)
        for name, (best, *_) in tuned.items():
            if name == BASELINE:
                models[name].append(mean_word(problem, best["C"]))
            else:
                models[name].append(train(parts, float(name), best["lr"], int(best["steps"])))
    return models


def accuracies(models: dict[str, list[Model]], test: AttentionProblem) -> dict[str, Any]:
    """Test accuracies by seed; what hiding a word does; differences from the baseline and p = 2."""
    right = {name: _stack(correct(test, m) for m in same) for name, same in models.items()}
    result: dict[str, Any] = {"accuracy": {name: _by_seed(r) for name, r in right.items()}}
    attending = [name for name in models if name != BASELINE]
    result["over baseline"] = {name: _in_points(right[name], right[BASELINE]) for name in attending}
    result["over p = 2"] = {
        name: _in_points(right[name], right["2"]) for name in attending if name != "2"
    }
    result["top word hidden"], result["another hidden"], result["top word alone"] = {}, {}, {}
    for name in attending:
        hidden, another, alone = [], [], []
        for model in models[name]:
            top = test.attention(model.W).argmax(-1)
            hidden.append(correct(hide(test, top), model))
            another.append(correct(hide(test, other_tokens(test, top)), model))
            alone.append(one_word(test, model, top))
        result["top word hidden"][name] = _by_seed(_stack(hidden))
        result["another hidden"][name] = _by_seed(_stack(another))
        result["top word alone"][name] = _by_seed(_stack(alone))
    return result


def attention_on(
    test: TextData, vectors: WordVectors, models: dict[str, list[Model]], examples: int = 4
) -> dict[str, Any]:
    """How sharp attention is, on which words it is, whether models agree, and some sentences."""
    problem = as_problem(test, vectors)
    words = [vectors.known(text) for text in test.texts]
    lengths = torch.tensor([len(w) for w in words]).double()
    attention = {
        name: torch.stack([problem.attention(model.W) for model in same])
        for name, same in models.items()
        if name != BASELINE
    }
    tops = {name: weights.argmax(-1) for name, weights in attention.items()}
    middle = sorted(range(len(words)), key=lambda i: abs(len(words[i]) - 9))[:examples]
    return {
        "top share": {name: _by_seed(a.amax(-1)) for name, a in attention.items()},
        "equal share": (1 / lengths).mean().item(),
        "large entries": {name: [_large(model.W) for model in models[name]] for name in attention},
        "agreement": {f"{a}, {b}": _agreement(tops, a, b) for a in tops for b in tops},
        "words": {
            name: [list(w) for w in most_attended(words, shares, count=12, least=5)]
            for name, shares in ((n, a.mean(0) * lengths[:, None]) for n, a in attention.items())
        },
        "examples": [
            {
                "words": words[i],
                "label": int(problem.y[i]),
                "attention": {
                    name: [round(x, 4) for x in a[0, i, : len(words[i])].tolist()]
                    for name, a in attention.items()
                },
            }
            for i in middle
        ],
    }


def on_pivots(vectors: WordVectors, models: dict[str, list[Model]]) -> dict[str, Any]:
    """Accuracy on the project's minimal pairs, and how often the pivot has the most attention.

    Of the sentences whose pivot has a vector.
    """
    sentences = [s for s in load_pivot_words() if len(vectors.known(s.pivot)) == 1]
    texts, labels = [s.text for s in sentences], [s.label for s in sentences]
    problem = sentence_problem(texts, labels, vectors, DTYPE)
    places = [vectors.known(s.text).index(vectors.known(s.pivot)[0]) for s in sentences]
    pivots = torch.tensor(places)
    assert problem.mask is not None
    found: dict[str, Any] = {"sentences": len(sentences)}
    found["chance"] = (1 / problem.mask.sum(-1).double()).mean().item()
    found["accuracy"] = {
        name: _by_seed(_stack(correct(problem, m) for m in same)) for name, same in models.items()
    }
    found["pivot on top"] = {
        name: _by_seed(_stack(problem.attention(m.W).argmax(-1) == pivots for m in same))
        for name, same in models.items()
        if name != BASELINE
    }
    return found


def _agreement(tops: dict[str, Tensor], a: str, b: str) -> float:
    """The share of sentences with the same top word; of p with itself, between two seeds."""
    same = tops[a][:, None] == tops[b][None]
    if a == b:
        R = len(same)
        return float(same[~torch.eye(R, dtype=torch.bool)].double().mean())
    return float(same.diagonal().double().mean())


def _in_points(a: Tensor, b: Tensor) -> dict[str, float]:
    """How much more often a is right than b, and half of the interval, in percentage points."""
    found = crossed_difference(a, b)
    return {"points": 100 * found.mean, "half": 50 * (found.high - found.low)}


def _large(W: Tensor) -> float:
    """The share of entries above a hundredth of the largest."""
    return float((W.abs() > 0.01 * W.abs().max()).double().mean())


def _described(vectors: WordVectors) -> dict[str, Any]:
    near = {word: vectors.neighbours(word) for word in SHOWN if word in vectors}
    return {"words": len(vectors.words), "neighbours": near}


def _stack(rows: Any) -> Tensor:
    return torch.stack(list(rows))


def _by_seed(values: Tensor) -> list[float]:
    return [round(x, 5) for x in values.double().mean(-1).tolist()]


class _Clock:
    """Processor time of one part after the other."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, name: str) -> None:
        now = time.process_time()
        self.seconds[name], self._last = round(now - self._last, 1), now

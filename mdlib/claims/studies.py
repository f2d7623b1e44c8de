"""Comparisons of contenders, which the claims about recorded studies share."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from mdlib.claims.form import Measured, more
from mdlib.measure.paired import paired_difference
from mdlib.measure.weights import ATTENTION_WEIGHTS
from mdlib.runs.record import Record
from mdlib.runs.results import R, TrainedRun

POINTS = 100  # in a share of 1
# Steps as the paper has them, and normalised ones with momentum: how their contenders are called.
FORMS = {"plain": "p = {}", "momentum": "p = {}, momentum"}


def best_accuracy(run: TrainedRun) -> float | None:
    """Return the test accuracy with the weights of the best epoch."""
    return run.test.best.accuracy if run.test.best else None


def more_of(case: str, a: Tensor, b: Tensor, scale: float = 1) -> Iterator[Measured]:
    """Claim that a is more than b, seed by seed."""
    found = paired_difference(a, b)
    return more(case, scale * found.mean, scale * found.low, range(len(a)))


def times_more(case: str, a: Tensor, b: Tensor) -> Iterator[Measured]:
    """Claim that a is a multiple of b, seed by seed: that its logarithm is more."""
    return more_of(case, a.log(), b.log())


def more_small(case: str, record: Record[R], a: str, b: str) -> Iterator[Measured]:
    """Claim that contender a leaves more entries of each attention matrix near zero than b."""

    def small(label: str, kind: str) -> Tensor:
        return record.values(label, lambda run: run.weights[kind].small)

    for kind in ATTENTION_WEIGHTS:
        yield from more_of(f"{case}, {kind}, points", small(a, kind), small(b, kind), POINTS)


def more_tiny(case: str, record: Record[R], a: str, b: str) -> Iterator[Measured]:
    """Claim that contender a leaves more of these entries below 0.01 than b."""
    first, second = (record.sparsity(label, "tiny") for label in (a, b))
    return more_of(f"{case}, below 0.01, points", first, second, POINTS)

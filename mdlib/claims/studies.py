"""Differences between two contenders of a recorded study, as rows of the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mdlib.claims.form import Measured, more
from mdlib.runs.record import Record

Read = Callable[[str], Record]
POINTS = 100  # in a share of 1
# Steps as the paper has them, and normalised ones with momentum: how their contenders are called.
FORMS = {"plain": "p = {}", "momentum": "p = {}, momentum"}


def more_of(
    record: Record, case: str, a: str, b: str, *keys: str | int, scale: float = 1
) -> Iterator[Measured]:
    """Claim that a has more of something than b, seed by seed."""
    found = record.difference(a, b, *keys)
    return more(case, scale * found.mean, scale * found.low, range(len(record.runs(a))))


def more_tiny(record: Record, case: str, a: str, b: str) -> Iterator[Measured]:
    """Claim that a leaves more entries of the attention weights below 0.01 than b, in points."""
    found = record.sparser(a, b, "tiny")
    return more(case, POINTS * found.mean, POINTS * found.low, range(len(record.runs(a))))

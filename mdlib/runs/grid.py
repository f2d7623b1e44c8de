"""Combinations of settings, the choice of a learning rate, and the table of how they did."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from itertools import product
from statistics import fmean, stdev
from typing import Any, TypeVar

from mdlib import figures
from mdlib.runs.cost import duration
from mdlib.runs.optimizers import OWN
from mdlib.runs.run import TrainingRun
from mdlib.runs.sweep import Outcome

R = TypeVar("R", bound=TrainingRun)


def grid(kind: type[R], preset: str, values: Mapping[str, Collection[Any]]) -> list[R]:
    """Return the runs of a kind with all combinations of values, equal ones once.

    Of several optimizers each takes those of the values that it has.

    Examples
    --------
    >>> from mdlib.studies.text import SentimentRun
    >>> values = {"optimizer": ["md", "adam"], "p": [1.1, 2.0], "seed": [7]}
    >>> runs = grid(SentimentRun, "quick", values)
    >>> [(run.optimizer, run.p, run.seed) for run in runs]
    [('md', 1.1, 7), ('md', 2.0, 7), ('adam', None, 7)]
    """
    runs = []
    several = len(values.get("optimizer", ())) > 1
    for combination in product(*values.values()):
        changes = dict(zip(values, combination, strict=True))
        if several:
            for name, users in OWN.items():
                if changes["optimizer"] not in users:
                    changes.pop(name, None)
        runs.append(kind.preset(preset, **changes))
    return list(dict.fromkeys(runs))


def choose_rates(ends: Iterable[Outcome]) -> list[Outcome]:
    """Of runs that differ in nothing but lr and seed, keep those of the best lr.

    The best lr has the highest mean over its seeds of the best validation accuracy; one with a run
    that did not finish is not chosen.
    """
    chosen = []
    for rates in _grouped(ends, ("lr", "seed")).values():
        by_rate = _grouped(rates, ("seed",)).values()
        sound = [same for same in by_rate if all(end.status == "finished" for end in same)]
        if sound:
            chosen += max(sound, key=lambda same: fmean(map(_validated, same)))
    return chosen


def table(ends: Iterable[Outcome], tests: Iterable[Outcome] = ()) -> str:
    """Return a line for each setting: the mean and deviation over its seeds, in per cent."""
    tested = {end.run: end.result for end in tests if end.status == "finished"}
    groups = _grouped(ends, ("seed",))
    columns: dict[str, list[str]] = {}
    for run, same in groups.items():
        done = [end for end in same if end.status == "finished"]
        scores = [tested[end.run] for end in done if end.run in tested]
        settings = {name: getattr(run, name) for name in _varied(groups)}
        cells = {
            **{name: "-" if value is None else f"{value}" for name, value in settings.items()},
            "runs": f"{len(done)} of {len(same)}",
            "validation": _spread([_validated(end) for end in done]),
            "test (best)": _spread([score["best"]["accuracy"] for score in scores]),
            "test (last)": _spread([score["last"]["accuracy"] for score in scores]),
            "time of a run": duration(fmean(e.result["seconds"] for e in done)) if done else "",
        }
        for name, cell in cells.items():
            columns.setdefault(name, []).append(cell)
    return figures.table(columns).text


def _validated(end: Outcome) -> float:
    return float(end.result["best"]["validation_accuracy"])


def _spread(shares: list[float]) -> str:
    if not shares:
        return ""
    deviation = f" +- {100 * stdev(shares):.2f}" if len(shares) > 1 else ""
    return f"{100 * fmean(shares):.2f}{deviation}"


def _grouped(
    ends: Iterable[Outcome], apart_from: tuple[str, ...]
) -> dict[TrainingRun, list[Outcome]]:
    """Runs that are equal but for some fields, under one of them with those fields at default."""
    groups: dict[TrainingRun, list[Outcome]] = {}
    for end in ends:
        common = replace(end.run, **{name: getattr(type(end.run), name) for name in apart_from})
        groups.setdefault(common, []).append(end)
    return groups


def _varied(runs: Iterable[TrainingRun]) -> list[str]:
    """The fields in which runs differ, if not by their optimizer alone; or what names one run."""
    runs = list(runs)

    def count(*names: str) -> int:
        return len({tuple(getattr(run, name) for name in names) for run in runs})

    implied = {
        name for name in OWN if name != "p" and count("optimizer", name) == count("optimizer")
    }
    names = [field.name for field in fields(runs[0]) if field.name not in implied]
    return [name for name in names if count(name) > 1] or ["optimizer", "lr"]

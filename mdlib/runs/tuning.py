"""Tuning: every contender with the same budget, in short runs first, then at full length.

Settings that are nearly as good in short runs as the best are tried at full length, for what is
ahead early may not be ahead in the end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mdlib.runs.results import R, Tried
from mdlib.runs.run import TrainingRun
from mdlib.runs.study import Contender, Settings, Study
from mdlib.runs.sweep import Outcome
from mdlib.runs.training import train

Execute = Callable[[list[TrainingRun], Callable[..., Any], str], list[Outcome]]
_NEARLY = 0.01  # of accuracy


def tune(study: Study[R], execute: Execute) -> list[list[Tried]]:
    """Return for each contender its settings with what they reached in short and in full runs."""

    def validated(runs: list[TrainingRun]) -> dict[TrainingRun, float | None]:
        ends = execute(runs, train, "outcome")
        sound = results([end for end in ends if end.status != "diverged"])
        return {
            run: sound[run]["best"]["validation_accuracy"] if run in sound else None for run in runs
        }

    short = validated([run for one in study.contenders for run in study.trials(one)])
    close = [
        study.trial(one, settings)
        for one in study.contenders
        for settings in _nearly_best(one, [short[run] for run in study.trials(one)])
    ]
    full = validated(close)
    return [
        [
            Tried(settings, short[run], full.get(study.trial(one, settings)))
            for settings, run in zip(one.tried, study.trials(one), strict=False)
        ]
        for one in study.contenders
    ]


def train_best(
    study: Study[R], ranked: Mapping[str, list[Settings]], execute: Execute
) -> tuple[dict[str, int], dict[str, list[TrainingRun]], list[Outcome]]:
    """Train with the best settings, and with the next where a run diverged.

    Returns how many settings of each contender were passed over so, the runs, and how they ended.
    """
    refused = dict.fromkeys(ranked, 0)
    while True:
        final = {
            one.label: study.runs(one, study.seeds, **ranked[one.label][refused[one.label]])
            for one in study.contenders
        }
        ends = execute([run for same in final.values() for run in same], train, "outcome")
        diverged = {end.run for end in ends if end.status == "diverged"}
        if not diverged:
            return refused, final, ends
        for label in (label for label, same in final.items() if diverged & set(same)):
            refused[label] += 1
            if refused[label] == len(ranked[label]):
                raise RuntimeError(f"{label}: a run diverged with each of {ranked[label]}")


def ranked(contender: Contender, tried: Sequence[Tried]) -> list[Settings]:
    """The settings from the best on, those that did well at full length first."""
    if not tried:
        return list(contender.tried)
    scores = {
        i: (one.full or 0.0, one.short) for i, one in enumerate(tried) if one.short is not None
    }
    return [contender.tried[i] for i in sorted(scores, key=lambda i: scores[i], reverse=True)]


def _nearly_best(contender: Contender, found: list[float | None]) -> list[Settings]:
    """The settings that are hardly behind the best in short runs; none where none was tried."""
    if found and not any(found):
        raise RuntimeError(
            f"{contender.label}: no run finished with any of {list(contender.tried)}"
        )
    least = max((score or 0.0 for score in found), default=0.0) - _NEARLY
    pairs = zip(contender.tried, found, strict=False)
    return [settings for settings, score in pairs if score is not None and score >= least]


def results(ends: list[Outcome]) -> dict[TrainingRun, Any]:
    """Return what runs came to; RuntimeError if one did not finish."""
    for end in ends:
        if end.status != "finished":
            raise RuntimeError(f"{end.directory}: {end.status}: {end.error}")
    return {end.run: end.result for end in ends}

"""Studies: contenders tuned with the same budget, repeated over seeds, then tested, once.

Settings are tried in short runs; those that are nearly as good there as the best are tried at full
length, for what is ahead early may not be ahead in the end.

What is found is all there is to know: every setting that was tried, every learning curve, and what
the trained networks are like inside. The book's own are in `mdlib.studies.text.studies` and
`mdlib.studies.images.studies`; ``python -m mdlib study`` conducts one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Generic

from mdlib.runs.results import R, Tried, TunedContender
from mdlib.runs.run import TrainingRun
from mdlib.runs.schema import plain, read
from mdlib.runs.sweep import Outcome, sweep
from mdlib.runs.training import score_on_test, train

Settings = Mapping[str, Any]
_Execute = Callable[[list[TrainingRun], Callable[..., Any], str], list[Outcome]]
_TUNING_SEED = 100  # none of those that are reported
_NEARLY = 0.01  # of accuracy


@dataclass(frozen=True)
class Contender:
    """One way to train, and the settings that it may choose from.

    Attributes
    ----------
    label : str
        Its name in tables.
    settings : mapping
        Of the runs: what makes it this contender.
    tried : tuple of mappings
        What is tuned: each one a choice, ``{"lr": 1e-3}``.
    """

    label: str
    settings: Settings
    tried: tuple[Settings, ...]


def rates(*values: float) -> tuple[Settings, ...]:
    """Return the settings that try these learning rates."""
    return tuple({"lr": value} for value in values)


@dataclass(frozen=True)
class Study(Generic[R]):
    """What is compared, on what.

    Attributes
    ----------
    kind : class
        Of the runs, such as `mdlib.studies.text.SentimentRun`.
    inspect : function
        Looks into a trained run, as `mdlib.studies.text.inspection.look_inside` does, and returns a
        dataclass.
    result : class
        The `TrainedRun` that holds what is found, what ``inspect`` returns among it.
    preset : str
        Where the settings of all runs start.
    changes : mapping
        What all runs have in common besides.
    contenders : tuple of Contender
        All with equally many settings to try: the same budget.
    short : int
        Epochs of the first runs that try a setting, where there are several.
    seeds : range
        Of the runs that are reported.

    Raises
    ------
    ValueError
        If the budgets differ.
    """

    kind: type[TrainingRun]
    inspect: Callable[..., Any]
    result: type[R]
    preset: str
    changes: Settings
    contenders: tuple[Contender, ...]
    short: int
    seeds: range = field(default=range(5))

    def __post_init__(self) -> None:
        budgets = {one.label: len(one.tried) for one in self.contenders}
        if len(set(budgets.values())) != 1:
            raise ValueError(f"all contenders need equally many settings to try, got {budgets}")

    def only(self, labels: Collection[str]) -> Study[R]:
        """Return the study of some of its contenders.

        Raises
        ------
        ValueError
            For a label that none of them has.
        """
        known = [one.label for one in self.contenders]
        if unknown := sorted(set(labels) - set(known)):
            raise ValueError(f"no contender {unknown[0]!r}; there are {', '.join(known)}")
        return replace(self, contenders=tuple(o for o in self.contenders if o.label in labels))

    def runs(self, contender: Contender, seeds: range, **changes: Any) -> list[TrainingRun]:
        """Return the contender's runs with the changes, one a seed."""
        settings = {**self.changes, **contender.settings, **changes}
        return [self.kind.preset(self.preset, **settings, seed=seed) for seed in seeds]

    @property
    def setting(self) -> dict[str, Any]:
        """What all runs have in common, for the record."""
        return {
            "preset": self.preset,
            **self.changes,
            "short": self.short,
            "seeds": len(self.seeds),
        }

    def trial(self, contender: Contender, tried: Settings, **changes: Any) -> TrainingRun:
        """Return the run that tries a setting, at full length unless changed."""
        (run,) = self.runs(contender, range(_TUNING_SEED, _TUNING_SEED + 1), **tried, **changes)
        return run

    def trials(self, contender: Contender) -> list[TrainingRun]:
        """Return the short runs that try the settings; none where there is no choice."""
        if len(contender.tried) == 1:
            return []
        return [self.trial(contender, tried, epochs=self.short) for tried in contender.tried]


def planned(study: Study[R]) -> list[TrainingRun]:
    """Return the runs that a study will make, with the first settings for those not yet chosen."""
    runs = []
    for one in study.contenders:
        runs += study.trials(one) + study.runs(one, study.seeds, **one.tried[0])
    return runs


def conduct(
    study: Study[R], folder: str | Path, device: str = "auto", **where: Any
) -> dict[str, TunedContender[R]]:
    """Tune, repeat, test and inspect. Stopped and called again, it goes on.

    Parameters
    ----------
    study : Study
    folder : path
        Of the runs, as in `mdlib.runs.sweep.sweep`; runs that are there are not repeated.
    device : str
    **where
        ``workers`` or ``scheduler`` of `mdlib.runs.sweep.sweep`, and ``command``.

    Returns
    -------
    dict of TunedContender
        By label. A run's ``commit`` is the one that it was trained at, which may be older than this
        call.

    Raises
    ------
    RuntimeError
        If a run failed other than by diverging, or every setting of a contender diverged.
    """

    def execute(runs: list[TrainingRun], what: Callable[..., Any], record: str) -> list[Outcome]:
        return sweep(runs, partial(_as_plain, what, device), folder, record=record, **where)

    found = list(zip(study.contenders, _tune(study, execute), strict=True))
    ranked = {one.label: _ranked(one, tried) for one, tried in found}
    refused, final, ends = _train_best(study, ranked, execute)
    trained, commits = _results(ends), {end.run: end.provenance["commit"] for end in ends}
    runs = [run for same in final.values() for run in same]
    tested = _results(execute(runs, score_on_test, "test"))
    inspected = _results(execute(runs, study.inspect, "inspection"))

    def result(run: TrainingRun) -> R:
        about = {"seed": run.seed, "commit": commits[run], "test": tested[run]}
        return read(study.result, about | trained[run] | inspected[run])

    return {
        one.label: TunedContender(
            runs=tuple(map(result, final[one.label])),
            settings=one.settings,
            tried=tuple(tried),
            refused=tuple(ranked[one.label][: refused[one.label]]),
            chosen=ranked[one.label][refused[one.label]],
        )
        for one, tried in found
    }


def _as_plain(what: Callable[..., Any], device: str, run: TrainingRun, directory: Path) -> Any:
    """What a function returns, as an outcome holds it."""
    return plain(what(run, directory, device=device))


def _tune(study: Study[R], execute: _Execute) -> list[list[Tried]]:
    """For each contender its settings with what they reached in short and in full runs."""

    def validated(runs: list[TrainingRun]) -> dict[TrainingRun, float | None]:
        ends = execute(runs, train, "outcome")
        sound = _results([end for end in ends if end.status != "diverged"])
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


def _train_best(
    study: Study[R], ranked: Mapping[str, list[Settings]], execute: _Execute
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


def _ranked(contender: Contender, tried: Sequence[Tried]) -> list[Settings]:
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


def _results(ends: list[Outcome]) -> dict[TrainingRun, Any]:
    for end in ends:
        if end.status != "finished":
            raise RuntimeError(f"{end.directory}: {end.status}: {end.error}")
    return {end.run: end.result for end in ends}

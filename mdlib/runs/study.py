"""Study: which contenders are compared, on what, and the settings each may choose from.

`mdlib.runs.tuning` chooses among them, `mdlib.runs.conducting` does all of it. The book's own
studies are in `mdlib.studies.text.studies` and `mdlib.studies.images.studies`; ``python -m mdlib
study`` conducts one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic

from mdlib.runs.results import R
from mdlib.runs.run import TrainingRun

Settings = Mapping[str, Any]
_TUNING_SEED = 100  # none of those that are reported


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

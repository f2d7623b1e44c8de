"""Records: what a study found, kept as JSON, with the statistics that the chapters print."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from importlib import resources
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mdlib.measure.paired import Difference, paired_difference
from mdlib.measure.weights import ATTENTION_WEIGHTS
from mdlib.runs.results import R, TunedContender
from mdlib.runs.schema import dumps, read

T = TypeVar("T")
_Key = str | int


@dataclass(frozen=True)
class Provenance:
    """How recorded numbers came about.

    Attributes
    ----------
    command : str
        The one that computes them again.
    date : str
        As in "2026-11-30".
    wall_seconds : float or None
        None where it is not known, as runs may be older than the process that recorded them.
    versions : mapping
        Of Python and of packages.
    hardware, commit : str
    """

    command: str
    date: str
    wall_seconds: float | None
    versions: Mapping[str, str]
    hardware: str
    commit: str


@dataclass(frozen=True)
class Record(Generic[R]):
    """All runs of a study.

    Attributes
    ----------
    provenance : Provenance or None
        None for runs that were trained here and now.
    setting : mapping
        What all runs have in common.
    contenders : mapping
        By label.

    Examples
    --------
    >>> from mdlib.studies.text import recorded
    >>> record = recorded("reviews")
    >>> record.values("Adam", lambda run: run.test.best.accuracy).shape
    torch.Size([5])
    >>> record.values("Adam", "test", "best", "accuracy").shape  # in a notebook, the same
    torch.Size([5])
    """

    provenance: Provenance | None
    setting: Mapping[str, Any]
    contenders: Mapping[str, TunedContender[R]]

    @classmethod
    def live(cls, runs: Mapping[str, Sequence[R]]) -> Record[R]:
        """Return a record of runs that were trained here and now, by label, one a seed."""
        return cls(None, {}, {label: TunedContender(tuple(same)) for label, same in runs.items()})

    def runs(self, label: str) -> tuple[R, ...]:
        """Return a contender's runs, one a seed.

        Raises
        ------
        KeyError
            If there is no contender of that label.
        """
        if label not in self.contenders:
            raise KeyError(f"no contender {label!r}; there are {', '.join(self.contenders)}")
        return self.contenders[label].runs

    def values(self, label: str, of: Callable[[R], Any] | str, *path: _Key) -> Tensor:
        """Return a number, or several, of each run of a contender, (seeds, ...).

        Parameters
        ----------
        label : str
        of : function or str
            From a run to numbers: ``lambda run: run.test.best.accuracy``. Or the first name of a
            path through its fields and what they hold: ``"test", "best", "accuracy"``.
        *path : str or int
            The rest of the path.

        Raises
        ------
        KeyError
            If a name of the path is not there; the message lists what is.
        ValueError
            If a run has None there.
        """
        found = [of(run) if callable(of) else _follow(run, (of, *path)) for run in self.runs(label)]
        if None in found:
            seed = self.runs(label)[found.index(None)].seed
            raise ValueError(f"{label}: nothing was measured there in the run of seed {seed}")
        return torch.tensor(found, dtype=torch.float64)

    def curves(self, label: str, name: str) -> Tensor:
        """Return a column of the learning curves, (seeds, epochs); nan where a run had stopped."""
        lines = [_follow(run, ("curve",)) for run in self.runs(label)]
        rows = [[_follow(line, (name,)) for line in curve] for curve in lines]
        curves = [torch.tensor(row, dtype=torch.float64) for row in rows]
        return pad_sequence(curves, batch_first=True, padding_value=math.nan)

    def difference(self, a: str, b: str, of: Callable[[R], Any] | str, *path: _Key) -> Difference:
        """Return how much larger the `values` of a are than those of b, seed by seed."""
        return paired_difference(self.values(a, of, *path), self.values(b, of, *path))

    def sparsity(self, label: str, measure: str) -> Tensor:
        """Return a measure of how sparse the attention weights are at the end, (seeds,).

        The mean over W_Q, W_K and W_V of a measure of `mdlib.measure.Magnitudes`: "zero", "tiny",
        "small" or "hoyer".
        """
        kinds = [self.values(label, "weights", name, measure) for name in ATTENTION_WEIGHTS]
        return torch.stack(kinds).mean(0)

    def sparser(self, a: str, b: str, measure: str) -> Difference:
        """Return how much larger a measure of `sparsity` is for a than for b, seed by seed."""
        return paired_difference(self.sparsity(a, measure), self.sparsity(b, measure))

    def updated(self, newer: Record[R]) -> Record[R]:
        """Return this record with the contenders that a newer one has, and its provenance.

        Raises
        ------
        ValueError
            If the two have other settings, so that their runs cannot be compared.
        """
        if self.setting != newer.setting:
            raise ValueError(
                f"recorded with {dict(self.setting)}, now {dict(newer.setting)}: conduct the study "
                "again, with all contenders"
            )
        return Record(newer.provenance, newer.setting, {**self.contenders, **newer.contenders})

    @property
    def origin(self) -> str:
        """Where and when it was recorded, in a sentence.

        Raises
        ------
        ValueError
            If it was not.
        """
        if (at := self.provenance) is None:
            raise ValueError("these runs were trained here and now; there is no record of them")
        runs = [run for label in self.contenders for run in self.runs(label)]
        commits = sorted({run.commit[:7] for run in runs if run.commit})
        return (
            f"Recorded {at.date}, runs of commit {', '.join(commits)}, on {at.hardware}; "
            f"{len(self.runs(next(iter(self.contenders))))} seeds."
        )

    def to_json(self) -> str:
        """Return everything as JSON, numbers to six significant digits; `from_json` reads it."""
        return dumps(self)

    @classmethod
    def from_json(cls, text: str, kind: type[R]) -> Record[R]:
        """Read what `to_json` wrote, of runs of a kind.

        Raises
        ------
        ValueError
            If it is no such record; the message says where.
        """
        return read(Record[kind], json.loads(text))  # type: ignore[valid-type]


def shipped(name: str, schema: type[T]) -> T:
    """Return results as they were recorded for the book.

    Raises
    ------
    FileNotFoundError
        If none of that name ships with the library.
    ValueError
        If they have another schema.
    """
    stored = resources.files("mdlib").joinpath(f"recorded/{name}.json")
    return read(schema, json.loads(stored.read_text(encoding="utf-8")))


def _follow(value: Any, path: Sequence[_Key]) -> Any:
    """Go along names of fields, keys of mappings and places in tuples."""
    for at, key in enumerate(path):
        try:
            value = getattr(value, str(key)) if is_dataclass(value) else value[key]
        except (AttributeError, LookupError, TypeError):
            place = ".".join(map(str, path[:at])) or "the run"
            raise KeyError(f"no {key!r} in {place}; there are {_names(value)}") from None
    return value


def _names(value: Any) -> str:
    if is_dataclass(value):
        return ", ".join(one.name for one in fields(value))
    if isinstance(value, Mapping):
        return ", ".join(value)
    return f"{len(value)} entries" if isinstance(value, Sequence) else f"no names in {value!r}"

"""What a study found: kept as JSON, read by the chapters, printed as a table."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mdlib.measure.weights import ATTENTION_WEIGHTS, EDGES
from mdlib.figures import Shown, spread, table
from mdlib.measure.paired import Difference, paired_difference

TINY = 0.01  # a size of weights, one of the `EDGES`
_DIGITS = 6  # significant ones kept of a number


@dataclass(frozen=True)
class Record:
    """All runs of a study.

    Attributes
    ----------
    provenance : mapping
        Command, date, seconds, hardware, versions, commit.
    setting : mapping
        What all runs have in common.
    contenders : mapping
        By label, as `mdlib.runs.study.conduct` returns it.

    Examples
    --------
    >>> runs = [{"seed": s, "test": {"best": {"accuracy": a}}} for s, a in enumerate([0.8, 0.82])]
    >>> record = Record({}, {}, {"adam": {"runs": runs}})
    >>> record.values("adam", "test", "best", "accuracy")
    tensor([0.8000, 0.8200], dtype=torch.float64)
    """

    provenance: Mapping[str, Any]
    setting: Mapping[str, Any]
    contenders: Mapping[str, Any]

    def runs(self, label: str) -> list[dict[str, Any]]:
        """Return a contender's runs, one a seed.

        Raises
        ------
        KeyError
            If there is no contender of that label.
        """
        if label not in self.contenders:
            raise KeyError(f"no contender {label!r}; there are {', '.join(self.contenders)}")
        runs: list[dict[str, Any]] = self.contenders[label]["runs"]
        return runs

    def values(self, label: str, *keys: str | int) -> Tensor:
        """Return what is found under the keys in each run of a contender, (seeds, ...)."""
        found = []
        for run in self.runs(label):
            value: Any = run
            for key in keys:
                value = value[key]
            found.append(value)
        return torch.tensor(found, dtype=torch.float64)

    def curves(self, label: str, name: str) -> Tensor:
        """Return a column of the learning curves, (seeds, epochs); nan where a run had stopped."""
        rows = [[line[name] for line in run["curve"]] for run in self.runs(label)]
        curves = [torch.tensor(row, dtype=torch.float64) for row in rows]
        return pad_sequence(curves, batch_first=True, padding_value=math.nan)

    def difference(self, a: str, b: str, *keys: str | int) -> Difference:
        """Return how much larger the values of a are than those of b, seed by seed."""
        return paired_difference(self.values(a, *keys), self.values(b, *keys))

    def sparsity(self, label: str, measure: str) -> Tensor:
        """Return a measure of how sparse the attention weights are at the end, (seeds,).

        The mean over W_Q, W_K and W_V of a measure of `mdlib.measure.weights`, or for "tiny"
        of the share of entries below `TINY`. That one does not grow where only the largest do.
        """

        def of(name: str) -> Tensor:
            if measure != "tiny":
                return self.values(label, "weights", name, measure)
            counts = self.values(label, "weights", name, "counts")
            return counts[:, : EDGES.index(math.log10(TINY))].sum(1) / counts.sum(1)

        return torch.stack([of(name) for name in ATTENTION_WEIGHTS]).mean(0)

    def sparser(self, a: str, b: str, measure: str) -> Difference:
        """Return how much larger a measure of `sparsity` is for a than for b, seed by seed."""
        return paired_difference(self.sparsity(a, measure), self.sparsity(b, measure))

    def sparsity_table(self, caption: str = "") -> Shown:
        """Return a line for each contender: how sparse its attention weights are at the end."""
        labels = list(self.contenders)
        columns = {"": labels}
        names = {"zero": "zero", "tiny": f"below {TINY:g}", "small": "below largest/100"}
        for measure, name in names.items():
            columns[f"{name}, %"] = [percent(self.sparsity(label, measure)) for label in labels]
        hoyer = [self.sparsity(label, "hoyer") for label in labels]
        columns["Hoyer"] = [f"{x.mean():.2f} ± {x.std():.2f}" for x in hoyer]
        return table(columns, caption=caption or self.origin)

    def table(self, caption: str = "") -> Shown:
        """Return a line for each contender: what it chose, and its accuracies in per cent."""
        rows: dict[str, list[str]] = {"": [], "chosen": []}
        for label, contender in self.contenders.items():
            chosen = ", ".join(f"{k} {v:g}" for k, v in contender["chosen"].items())
            columns = {
                "": label,
                "chosen": chosen,
                "validation": percent(self.values(label, "best", "validation_accuracy")),
                "test, best epoch": percent(self.values(label, "test", "best", "accuracy")),
                "test, last epoch": percent(self.values(label, "test", "last", "accuracy")),
                "best epoch": spread(self.values(label, "best", "epoch")),
            }
            for name, cell in columns.items():
                rows.setdefault(name, []).append(cell)
        return table(rows, caption=caption or self.origin)

    def updated(self, newer: Record) -> Record:
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
        """Where and when it was recorded, in a sentence."""
        at, runs = self.provenance, [run for label in self.contenders for run in self.runs(label)]
        commits = sorted({run["commit"][:7] for run in runs})
        return (
            f"Recorded {at['date']}, runs of commit {', '.join(commits)}, on {at['hardware']}; "
            f"{len(self.runs(next(iter(self.contenders))))} seeds."
        )

    def to_json(self) -> str:
        """Return everything as JSON, numbers to six significant digits; `from_json` reads it."""
        content = {
            "provenance": self.provenance,
            "setting": self.setting,
            "contenders": self.contenders,
        }
        return json.dumps(_rounded(content), allow_nan=False) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Read what `to_json` wrote."""
        return cls(**json.loads(text))


def recorded(name: str) -> Record:
    """Return a study as it was recorded for the book.

    Raises
    ------
    FileNotFoundError
        If none of that name ships with the library.
    """
    return Record.from_json(
        resources.files("mdlib").joinpath(f"recorded/{name}.json").read_text(encoding="utf-8")
    )


def percent(shares: Tensor) -> str:
    """Write mean and standard deviation of shares in per cent.

    Examples
    --------
    >>> percent(torch.tensor([0.81, 0.83]))
    '82.0 ± 1.4'
    """
    return spread(100 * shares)


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(item) for item in value]
    return float(f"{value:.{_DIGITS}g}") if isinstance(value, float) else value

"""Claims and the rows they measure: a number each, its bound, the verdict; and how they print."""

from __future__ import annotations

import inspect
import json
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from html import escape
from itertools import groupby
from textwrap import indent
from typing import Any

from mdlib.figures import Shown, table
from mdlib.svm import InfeasibleError, NotSolvedError

PRESETS = ("quick", "paper")
_RELATIONS = {"<=": (operator.le, "≤"), ">=": (operator.ge, "≥")}


@dataclass(frozen=True)
class Measured:
    """One number that a claim's function yields, and what it has to be.

    Attributes
    ----------
    case : str
        Which number it is, as in ``"p = 2, median"``.
    value : float
        NaN where the tool under test failed; the case then says how.
    relation : {"<=", ">="}
        How the value has to stand to the bound.
    bound : float
    seeds : range
        The seeds that the number is taken over.
    resolution : float
        What rounding errors may change: two processors agree on no digit below it.
    """

    case: str
    value: float
    relation: str
    bound: float
    seeds: range
    resolution: float = 0.0

    @property
    def holds(self) -> bool:
        """Whether the value stands to the bound as it has to. NaN does not."""
        return bool(_RELATIONS[self.relation][0](self.value, self.bound))

    @property
    def number(self) -> str:
        """The value to two digits, none of them below the resolution."""
        if abs(self.value) < self.resolution:
            return f"< {self.resolution:g}"
        if self.value.is_integer() and abs(self.value) < 100:
            return f"{self.value:.0f}"
        if abs(self.value) < 10 * self.resolution:
            return f"{round(self.value / self.resolution) * self.resolution:g}"
        return f"{self.value:#.2g}".rstrip(".")

    @property
    def limit(self) -> str:
        """The relation and the bound."""
        return f"{_RELATIONS[self.relation][1]} {self.bound:g}"


def more(case: str, mean: float, low: float, seeds: range) -> Iterator[Measured]:
    """Claim that a difference is positive: in the mean, and at the low end of its interval."""
    yield Measured(f"{case}: mean", mean, ">=", 0, seeds)
    yield Measured(f"{case}: 95 % interval, low end", low, ">=", 0, seeds)


@dataclass(frozen=True)
class Claim:
    """A claim of the paper, or of this book about it, that can be measured.

    Call it to measure: ``claim("quick")``. Further keywords go to its function and replace the
    tools under test or the preset's own seeds and steps, so that a test can hand it a broken tool.

    Attributes
    ----------
    key : str
        Its name in `CLAIMS`.
    chapter : int
        The chapter that prints it.
    place : str
        Where the claim is made.
    statement : str
        The claim in a sentence.
    presets : mapping
        For each of `PRESETS` the keywords that its function gets; empty for a claim that reads what
        an experiment recorded, and so costs nothing and knows one preset only.
    """

    key: str
    chapter: int
    place: str
    statement: str
    presets: Mapping[str, Mapping[str, Any]]
    measure: Callable[..., Iterator[Measured]]

    @property
    def reads(self) -> bool:
        """Whether it reads a record instead of running anything."""
        return not any(self.presets.values())

    @property
    def how(self) -> str:
        """How it is measured, and why the bound is what it is: its function's docstring."""
        return inspect.getdoc(self.measure) or ""

    def __call__(self, preset: str = "quick", **replaced: Any) -> Ledger:
        """Measure. A tool that fails on its task gives a row that does not hold, no exception."""
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}; got {preset!r}")
        rows = Ledger()
        try:
            for found in self.measure(**{**self.presets[preset], **replaced}):
                rows.append(Row(self, replace(found, value=float(found.value))))
        except (ArithmeticError, InfeasibleError, NotSolvedError) as error:
            failed = f"{type(error).__name__}: {error}".partition("\n")[0]
            rows.append(Row(self, Measured(failed, float("nan"), "<=", 0.0, range(1))))
        return rows


@dataclass(frozen=True)
class Row:
    """One line of the ledger: a claim, and one of its numbers."""

    claim: Claim
    measured: Measured

    @property
    def holds(self) -> bool:
        """The verdict."""
        return self.measured.holds

    @property
    def verdict(self) -> str:
        """The verdict in words."""
        return "holds" if self.holds else "does not hold"


class Ledger(list[Row]):
    """Rows that print as a table for each claim: as HTML on a page, as text elsewhere.

    Attributes
    ----------
    provenance : dict
        How recorded rows came about; empty for rows measured here and now.

    Examples
    --------
    >>> from mdlib.claims import ledger
    >>> rows = ledger(chapter=2)
    >>> all(row.holds for row in rows), len(rows.failing)
    (True, 0)
    """

    def __init__(self, rows: Iterable[Row] = (), provenance: Mapping[str, Any] | None = None):
        super().__init__(rows)
        self.provenance = dict(provenance or {})

    @property
    def failing(self) -> Ledger:
        """The rows that do not hold."""
        return Ledger((row for row in self if not row.holds), self.provenance)

    def shown(self, caption: str = "") -> Shown:
        """Return the table with a caption; unless given, it says where recorded rows are from."""
        parts = [_table(list(rows)) for _, rows in groupby(self, key=lambda row: row.claim.key)]
        caption = caption or self.origin
        below = f"<p><small>{escape(caption)}</small></p>" if caption else ""
        html = "".join(part.html for part in parts) + below
        return Shown(html, "\n\n".join([*(part.text for part in parts), *filter(None, [caption])]))

    @property
    def origin(self) -> str:
        """Where and when recorded rows were measured; empty for rows measured here and now."""
        if not self.provenance:
            return ""
        at = {name: self.provenance[name] for name in ("date", "preset", "hardware", "commit")}
        return (
            f"Recorded {at['date']}, preset {at['preset']}, commit {at['commit'][:7]}, "
            f"on {at['hardware']}."
        )

    def _repr_html_(self) -> str:
        return self.shown().html

    def __repr__(self) -> str:
        return self.shown().text

    def to_json(self) -> str:
        """Return the rows with their provenance as JSON, which `from_json` reads."""
        rows = [{"claim": row.claim.key, **_stored(row.measured)} for row in self]
        return json.dumps({"provenance": self.provenance, "rows": rows}, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str, claims: Mapping[str, Claim]) -> Ledger:
        """Read what `to_json` wrote. Rows of claims that are no longer there are an error."""
        stored = json.loads(text)
        rows = [Row(claims[row["claim"]], _read(row)) for row in stored["rows"]]
        return cls(rows, stored["provenance"])


def _stored(one: Measured) -> dict[str, Any]:
    """A number as JSON has it, where the value is called "measured"."""
    return {
        "case": one.case,
        "measured": one.value,
        "relation": one.relation,
        "bound": one.bound,
        "seeds": [one.seeds.start, one.seeds.stop],
        "resolution": one.resolution,
    }


def _read(row: Mapping[str, Any]) -> Measured:
    """What `_stored` wrote."""
    rest = {name: row[name] for name in ("case", "relation", "bound", "resolution")}
    return Measured(value=row["measured"], seeds=range(*row["seeds"]), **rest)


def _table(rows: list[Row]) -> Shown:
    """The rows of one claim under its statement. The verdict must not scroll out of the page."""
    statement, found = rows[0].claim.statement, [row.measured for row in rows]
    body = table(
        {
            "case": [one.case for one in found],
            "measured": [one.number for one in found],
            "bound": [one.limit for one in found],
            "seeds": [_span(one.seeds) for one in found],
            "verdict": [row.verdict for row in rows],
        }
    )
    html = f"<p><strong>{escape(statement)}</strong></p>{body.html}"
    return Shown(html, f"{statement}\n{indent(body.text, '  ')}")


def _span(seeds: range) -> str:
    return f"{seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else str(seeds[0])

"""The ledger: its claims, how a function becomes one, and how all of them are measured."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

from mdlib.claims.rows import Ledger, Measured, Row
from mdlib.svm import InfeasibleError, NotSolvedError

PRESETS = ("quick", "paper")


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
            for m in self.measure(**{**self.presets[preset], **replaced}):
                rows.append(
                    Row(self, m.case, float(m.value), m.relation, m.bound, m.seeds, m.resolution)
                )
        except (ArithmeticError, InfeasibleError, NotSolvedError) as error:
            failed = f"{type(error).__name__}: {error}".partition("\n")[0]
            rows.append(Row(self, failed, float("nan"), "<=", 0.0, range(1)))
        return rows


CLAIMS: dict[str, Claim] = {}


def claim(
    *,
    key: str,
    chapter: int,
    place: str,
    statement: str,
    quick: Mapping[str, Any] | None = None,
    paper: Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Iterator[Measured]]], Claim]:
    """Enter a function into the ledger. It yields one `Measured` for each number of the claim."""

    def enter(measure: Callable[..., Iterator[Measured]]) -> Claim:
        assert key not in CLAIMS, key
        presets = {"quick": quick or {}, "paper": paper or {}}
        entered = Claim(key, chapter, place, statement, presets, measure)
        CLAIMS[key] = entered
        return entered

    return enter


def ledger(chapter: int | None = None, preset: str = "quick") -> Ledger:
    """Measure every claim of a chapter, or of the book.

    Parameters
    ----------
    chapter : int, optional
        Only the claims that this chapter prints; all of them unless given.
    preset : {"quick", "paper"}
        "quick" takes seconds for each chapter, "paper" is the full protocol. The shared runs are
        kept for the life of the process.

    Raises
    ------
    ValueError
        For a chapter without claims or another preset.

    Examples
    --------
    >>> print(ledger(chapter=2)[0].verdict)
    holds
    """
    return Ledger(row for entered in claims_of(chapter) for row in entered(preset))


def claims_of(chapter: int | None = None) -> list[Claim]:
    """Return the claims of a chapter, or all of them in the order of the chapters.

    Examples
    --------
    >>> [entered.key for entered in claims_of(5)]
    ['svm-duality', 'svm-solvers']
    """
    chosen = [c for c in CLAIMS.values() if chapter in (None, c.chapter)]
    if not chosen:
        known = sorted({c.chapter for c in CLAIMS.values()})
        raise ValueError(f"chapter {chapter} has no claims; chapters {known} have")
    return sorted(chosen, key=lambda entered: entered.chapter)


def recorded(chapter: int | None = None) -> Ledger:
    """Return the ledger at full protocol as it was recorded, of a chapter or of all.

    Its provenance is that of the measured rows; claims that read a record of their own are read.

    Examples
    --------
    >>> from mdlib.claims import recorded
    >>> recorded().provenance["preset"]
    'paper'
    """
    stored = resources.files("mdlib").joinpath("recorded/ledger.json")
    measured = Ledger.from_json(stored.read_text(encoding="utf-8"), CLAIMS)
    rows = [row for row in measured if chapter in (None, row.claim.chapter)]
    provenance = measured.provenance if rows else {}
    read = [row for entered in claims_of(chapter) if entered.reads for row in entered("paper")]
    return Ledger(rows + read, provenance)

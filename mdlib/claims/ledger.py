"""Ledger of all claims: how a function enters it, and how all of them are measured or read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from importlib import resources
from typing import Any

from mdlib.claims.form import Claim, Ledger, Measured

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

    Raises
    ------
    ValueError
        For a chapter without claims.

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

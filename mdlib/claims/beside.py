"""Table of what the paper reports of text and images, beside our numbers and what our seeds say.

The claims of `text` and `images` hold our numbers against bounds; here they stand beside theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mdlib.claims.images import SETS
from mdlib.claims.studies import FORMS, POINTS, Read
from mdlib.figures import Shown, table
from mdlib.measure.paired import Difference
from mdlib.runs.record import percent, recorded
from mdlib.studies.images import published as images
from mdlib.studies.text import published as text

_SAID = {1: "so here", 0: "not told apart", -1: "the reverse here"}
_EXPONENTS = (1.1, 2.0, 3.0)


class _Row(NamedTuple):
    reported: str
    paper: str
    ours: str
    verdict: str


def beside_paper(read: Read = recorded) -> Shown:
    """Return a table: what the paper reports, its number, ours, and what our seeds say.

    Parameters
    ----------
    read : function
        Returns the `Record` of a study's name.

    Examples
    --------
    >>> print(beside_paper().text.splitlines()[0].split("  ")[0])
    reported
    """
    rows = [*_accuracies(read), *_gaps(read), *_scores(read), *_weights(read), *_parity(read)]
    columns = dict(zip(_Row._fields, zip(*rows, strict=True), strict=True))
    return table(
        columns,
        caption="Mean ± standard deviation; of our differences, taken seed by seed, the mean and "
        "its 95 % interval. A range of the paper's is over its 3, 4 and 6 layers.",
    )


def _accuracies(read: Read) -> Iterator[_Row]:
    for p in _EXPONENTS:
        ours = percent(read("reviews").values(f"p = {p:g}", "test", "best", "accuracy"))
        for layers, row in text.TEST_ACCURACY.items():
            mean, spread = row[p]
            what = f"reviews, {layers} layers, p = {p:g}, %"
            yield _Row(what, f"{mean:.2f} ± {spread:.2f}", ours, "")


def _gaps(read: Read) -> Iterator[_Row]:
    plain, momentum = FORMS.values()
    settings = {
        "plain steps": ("reviews", plain, "best"),
        "momentum": ("reviews", momentum, "best"),
        "fewer reviews, to the end": ("learned", plain, "last"),
    }
    for p in _EXPONENTS[1:]:
        gaps = [row[1.1][0] - row[p][0] for row in text.TEST_ACCURACY.values()]
        theirs = f"{min(gaps):+.2f} to {max(gaps):+.2f}"
        for setting, (name, label, which) in settings.items():
            rivals = (label.format(1.1), label.format(f"{p:g}"))
            found = read(name).difference(*rivals, "test", which, "accuracy")
            what = f"reviews, p = 1.1 over p = {p:g}, points; here: {setting}"
            yield _Row(what, theirs, found.points, _SAID[found.sign])


def _scores(read: Read) -> Iterator[_Row]:
    record, keys = read("reviews"), ("pivots", "written", "score")
    for p, theirs in text.PIVOT_SCORE.items():
        ours = record.values(f"p = {p:g}", *keys)
        spread = f"{ours.mean():.3f} ± {ours.std():.3f}"
        yield _Row(f"score of the pivotal word, p = {p:g}", f"{theirs:.3f}", spread, "")
    gap = f"{text.PIVOT_SCORE[1.1] - text.PIVOT_SCORE[2.0]:+.3f}"
    for form, label in FORMS.items():
        found = record.difference(label.format(1.1), label.format(2), *keys)
        interval = f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
        what = f"score of the pivotal word, p = 1.1 over p = 2; here: {form}"
        yield _Row(what, gap, interval, _SAID[found.sign])


def _weights(read: Read) -> Iterator[_Row]:
    rivals = {"reviews": ("reviews", "p = 2")} | {n: (of, "Adam") for n, of in SETS.items()}
    for name, (of, rival) in rivals.items():
        found = read(name).sparser("p = 1.1", rival, "tiny")
        what = f"{of}, attention weights near zero, p = 1.1 over {rival}, points; here: below 0.01"
        yield _Row(what, "more", found.points, _SAID[found.sign])


def _parity(read: Read) -> Iterator[_Row]:
    theirs = f"both about {images.TEST_ACCURACY}"
    for name, of in SETS.items():
        record = read(name)
        for form, label in FORMS.items():
            ahead = record.difference(label.format(1.1), "Adam", "test", "best", "accuracy")
            what = f"{of}, p = 1.1 against Adam, points; here: {form}"
            yield _Row(what, theirs, ahead.points, _within_a_point(ahead))


def _within_a_point(ahead: Difference) -> str:
    """What an interval says of two accuracies that are reported as level."""
    if POINTS * max(ahead.high, -ahead.low) <= 1:
        return "level"
    return {1: "ahead", 0: "cannot tell", -1: "behind"}[ahead.sign]

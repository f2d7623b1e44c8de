"""Published numbers of text and images, each beside ours and what our seeds say of it.

The claims of `text` and `images` hold our numbers against bounds; here they stand beside theirs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from mdlib.claims.images import SETS
from mdlib.claims.images import Read as ReadImages
from mdlib.claims.studies import FORMS, POINTS, best_accuracy
from mdlib.claims.text import Read as ReadTexts
from mdlib.figures import Shown, spread, table
from mdlib.measure.paired import Difference
from mdlib.runs.tables import percent
from mdlib.studies import images, text
from mdlib.studies.images.published import TEST_ACCURACY as LEVEL
from mdlib.studies.text.inspection import TextRun
from mdlib.studies.text.published import PIVOT_SCORE, TEST_ACCURACY

_SAID = {1: "so here", 0: "not told apart", -1: "the reverse here"}
_EXPONENTS = (1.1, 2.0, 3.0)


class _Row(NamedTuple):
    reported: str
    paper: str
    ours: str
    verdict: str


def beside_paper(texts: ReadTexts = text.recorded, pictures: ReadImages = images.recorded) -> Shown:
    """Return a table: what the paper reports, its number, ours, and what our seeds say.

    Parameters
    ----------
    texts, pictures : function
        Return the `Record` of the name of a study of texts, or of images.

    Examples
    --------
    >>> print(beside_paper().text.splitlines()[0].split("  ")[0])
    reported
    """
    rows = [
        *_accuracies(texts),
        *_gaps(texts),
        *_scores(texts),
        *_weights(texts, pictures),
        *_parity(pictures),
    ]
    columns = dict(zip(_Row._fields, zip(*rows, strict=True), strict=True))
    return table(
        columns,
        caption="Mean ± standard deviation; of our differences, taken seed by seed, the mean and "
        "its 95 % interval. A range of the paper's is over its 3, 4 and 6 layers.",
    )


def _accuracies(read: ReadTexts) -> Iterator[_Row]:
    for p in _EXPONENTS:
        ours = percent(read("reviews").values(f"p = {p:g}", best_accuracy))
        for layers, row in TEST_ACCURACY.items():
            mean, deviation = row[p]
            what = f"reviews, {layers} layers, p = {p:g}, %"
            yield _Row(what, f"{mean:.2f} ± {deviation:.2f}", ours, "")


def _gaps(read: ReadTexts) -> Iterator[_Row]:
    plain, momentum = FORMS.values()
    settings: dict[str, tuple[str, str, Callable[[TextRun], float | None]]] = {
        "plain steps": ("reviews", plain, best_accuracy),
        "momentum": ("reviews", momentum, best_accuracy),
        "fewer reviews, to the end": ("learned", plain, lambda run: run.test.last.accuracy),
    }
    for p in _EXPONENTS[1:]:
        gaps = [row[1.1][0] - row[p][0] for row in TEST_ACCURACY.values()]
        theirs = f"{min(gaps):+.2f} to {max(gaps):+.2f}"
        for setting, (name, label, accuracy) in settings.items():
            rivals = (label.format(1.1), label.format(f"{p:g}"))
            found = read(name).difference(*rivals, accuracy)
            what = f"reviews, p = 1.1 over p = {p:g}, points; here: {setting}"
            yield _Row(what, theirs, found.points, _SAID[found.sign])


def _scores(read: ReadTexts) -> Iterator[_Row]:
    def score(run: TextRun) -> float:
        return run.pivots.written.score

    record = read("reviews")
    for p, theirs in PIVOT_SCORE.items():
        ours = spread(record.values(f"p = {p:g}", score), digits=3)
        yield _Row(f"score of the pivotal word, p = {p:g}", f"{theirs:.3f}", ours, "")
    gap = f"{PIVOT_SCORE[1.1] - PIVOT_SCORE[2.0]:+.3f}"
    for form, label in FORMS.items():
        found = record.difference(label.format(1.1), label.format(2), score)
        interval = f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
        what = f"score of the pivotal word, p = 1.1 over p = 2; here: {form}"
        yield _Row(what, gap, interval, _SAID[found.sign])


def _weights(texts: ReadTexts, pictures: ReadImages) -> Iterator[_Row]:
    found = {("reviews", "p = 2"): texts("reviews").sparser("p = 1.1", "p = 2", "tiny")}
    for name, of in SETS.items():
        found[of, "Adam"] = pictures(name).sparser("p = 1.1", "Adam", "tiny")
    for (of, rival), d in found.items():
        what = f"{of}, attention weights near zero, p = 1.1 over {rival}, points; here: below 0.01"
        yield _Row(what, "more", d.points, _SAID[d.sign])


def _parity(read: ReadImages) -> Iterator[_Row]:
    for name, of in SETS.items():
        record = read(name)
        for form, label in FORMS.items():
            ahead = record.difference(label.format(1.1), "Adam", best_accuracy)
            what = f"{of}, p = 1.1 against Adam, points; here: {form}"
            yield _Row(what, f"both about {LEVEL}", ahead.points, _within_a_point(ahead))


def _within_a_point(ahead: Difference) -> str:
    """What an interval says of two accuracies that are reported as level."""
    if POINTS * max(ahead.high, -ahead.low) <= 1:
        return "level"
    return {1: "ahead", 0: "cannot tell", -1: "behind"}[ahead.sign]

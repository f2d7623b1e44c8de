"""Claims of chapter 12: the paper's one-layer model on sentences, from the record of its study.

``python -m mdlib study sentences`` makes it, from draws of SST-2's phrases; a point is a per cent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from mdlib.claims.form import Measured, more
from mdlib.claims.ledger import claim
from mdlib.studies.sentences import Findings, recorded
from mdlib.studies.sentences.inspection import Gain

Read = Callable[[], Findings]


@claim(
    key="sentences-attention",
    chapter=12,
    place="this book",
    statement="On sentences, attention in one layer beats the mean word, for every p",
)
def sentences_attention(read: Read = recorded) -> Iterator[Measured]:
    """Differences in test accuracy from logistic regression on the mean word, in points.

    Tuned alike; the 95 % interval counts draws of phrases and test sentences.
    """
    result = read()
    for p, found in result.over_baseline.items():
        yield from _more(f"p = {p}, points", found, _span(result.plan.seeds))


@claim(
    key="sentences-generalization",
    chapter=12,
    place="experiments: sentiment, here for one layer",
    statement="On sentences, one layer trained with p = 1.1 reads better than with p = 2",
)
def sentences_generalization(read: Read = recorded) -> Iterator[Measured]:
    """Difference in test accuracy, in points; the paper reports 1.5 to 2.3 for transformers."""
    result = read()
    yield from _more("points", result.over_p2["1.1"], _span(result.plan.seeds))


@claim(
    key="sentences-direction",
    chapter=12,
    place="joint theorem; this book",
    statement="Trained far beyond use, W has the direction of the race SVM of the words it selects",
)
def sentences_direction(read: Read = recorded) -> Iterator[Measured]:
    """Median divergence from the race SVM over small draws, and how the alternatives compare.

    The full and the relaxed SVM have to be three times as far, and the mean cosine with the SVM of
    another exponent smaller by 0.05. These bounds are choices, made after a first run.
    """
    result = read()
    draws = _span(result.plan.small_seeds)
    for p, found in result.margins.items():
        race = median(found.race)
        yield Measured(f"p = {p}, median divergence", race, "<=", 5e-3, draws)
        nearest = min(median(found.full), median(found.relaxed))
        yield Measured(f"p = {p}, other SVMs are farther, times", nearest / race, ">=", 3, draws)
        cosine = {q: fmean(found.cosine[q]) for q in result.margins}
        others = max(value for q, value in cosine.items() if q != p)
        yield Measured(f"p = {p}, cosine above other p", cosine[p] - others, ">=", 0.05, draws)


def _more(case: str, found: Gain, seeds: range) -> Iterator[Measured]:
    return more(case, found.points, found.points - found.half, seeds)


def _span(seeds: Sequence[int]) -> range:
    return range(seeds[0], seeds[-1] + 1)

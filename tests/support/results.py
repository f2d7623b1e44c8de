"""Results of training as they might be measured, where only one number matters."""

from mdlib.measure import ATTENTION_WEIGHTS, EDGES, Magnitudes
from mdlib.runs import Epoch, FinalScores, Scores, TrainedRun


def epoch(number=1, height=0.5):
    return Epoch(number, 10 * number, 0.5, height, 0.5, height)


def final(last, best=None):
    return FinalScores(Scores(0.5, last), best=None if best is None else Scores(0.5, best))


def magnitudes(height):
    """That share of the entries is tiny, and small."""
    counts = (height, *[0.0] * (len(EDGES) - 3), 1 - height)
    return Magnitudes(counts=counts, small=height, zero=height, hoyer=height)


def trained(seed=0, height=0.5, kind=TrainedRun, **changes):
    """A run in which one height decides everything that is measured in any network."""
    values = {
        "seed": seed,
        "curve": (epoch(height=height),),
        "test": final(height, best=height),
        "weights": dict.fromkeys(ATTENTION_WEIGHTS, magnitudes(height)),
    }
    return kind(**values | changes)

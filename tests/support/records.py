"""Records of studies in which everything is as the claims have it, or as they do not."""

from mdlib.measure import Pruned
from mdlib.runs import Record
from mdlib.studies.images import ImageRun
from mdlib.studies.text import TextRun
from mdlib.studies.text.erasure import Erased, Erasure
from mdlib.studies.text.favorites import Favorites, MarkedWords
from mdlib.studies.text.pivots import BySentence, MarkedWord, PivotGroup, Pivots, WordAttention
from tests.support.results import epoch, final, trained


def text_run(seed, level):
    height = level + 0.001 * seed
    place = {"share": height, "score": height, "rank": 1 - height, "first": height}
    word = MarkedWord(**place, chance=WordAttention(**place))
    group = PivotGroup(**vars(word), pairs=height, accuracy=height, positive=word, negative=word)
    falls = {"most attended": height, "random": 0.1}
    return trained(
        seed,
        height,
        TextRun,
        curve=(epoch(height=1.0),),
        pivots=Pivots({"template": group, "written": group}, BySentence((height,))),
        favorites=Favorites((), 1.0, 1.0, MarkedWords(9, height, 0.1, 0.1, height)),
        erasure=Erasure(
            (1, 2, 4), 9, 20.0, 1.0, 1.0, {o: Erased(*5 * [[x] * 3]) for o, x in falls.items()}
        ),
    )


def study(level):
    """A record of two seeds in which a contender's level decides everything that is claimed."""
    return Record.live({label: [text_run(s, h) for s in (0, 1)] for label, h in level.items()})


LEVELS = {
    "p = 1.1": 0.5,
    "p = 1.1, momentum": 0.5,
    "p = 2": 0.3,
    "p = 2, momentum": 0.3,
    "p = 3": 0.2,
    "p = 3, momentum": 0.2,
    "Adam": 0.7,
    "l_1 penalty": 0.7,
}


def as_claimed(name):
    assert name in ("reviews", "learned")
    return study(LEVELS)


def reversed_order(name):
    return study({label: 1 - level for label, level in LEVELS.items()})


def less_than_others(name):
    return study(dict.fromkeys(LEVELS, 0.05))


def unsure(name):
    """In the mean as claimed, but two seeds that differ so much tell nothing."""
    runs = {label: as_claimed(name).runs(label) for label in LEVELS}
    for label in ("p = 1.1", "p = 1.1, momentum", "Adam", "l_1 penalty"):
        runs[label] = (runs[label][0], text_run(1, 0.9))
    return Record.live(runs)


IMAGES = {"p = 1.1": 0.5, "p = 1.1, momentum": 0.5, "Adam": 0.3}


def image_run(seed, level, accuracy=0.8):
    height = level + 0.001 * seed
    curve = [Pruned(f, loss=0.5, accuracy=0.8 - f * (1 - level), bytes=100) for f in (0, 1)]
    scopes = {"model": curve, "matrix": curve}
    return trained(seed, height, ImageRun, test=final(height, accuracy), pruning=scopes)


def images_as_claimed(name):
    assert name in ("mnist", "cifar")
    return Record.live({c: [image_run(s, h) for s in (0, 1)] for c, h in IMAGES.items()})


def images_reversed(name):
    levels = dict(zip(IMAGES, reversed(IMAGES.values()), strict=True))
    return Record.live({c: [image_run(s, h) for s in (0, 1)] for c, h in levels.items()})


def images_behind(name, points=(0.02, 0.021)):
    """Adam is ahead by more than a point, or on one seed only."""
    runs = {label: images_as_claimed(name).runs(label) for label in IMAGES}
    ahead = [image_run(s, IMAGES["Adam"], 0.8 + points[s]) for s in (0, 1)]
    return Record.live(runs | {"Adam": ahead})


def images_unsure(name):
    return images_behind(name, (0.0, 0.015))

"""Records of studies in which everything is as the claims have it, or as they do not."""

from mdlib.measure.weights import EDGES
from mdlib.runs.record import Record


def study(level):
    """A record of two seeds in which a contender's level decides everything that is claimed."""

    def run(seed, height):
        height += 0.001 * seed
        group = {"score": height, "rank": 1 - height}
        fall = [height] * 3
        return {
            "curve": [{"accuracy": 1.0}],
            "test": {which: {"accuracy": height} for which in ("best", "last")},
            "weights": {
                kind: {"small": height, "counts": [height, *[0.0] * (len(EDGES) - 3), 1 - height]}
                for kind in ("query", "key", "value")
            },
            "pivots": {"template": group, "written": group},
            "favorites": {"marked": {"shares": height, "ahead": height, "as rare": 0.1}},
            "erasure": {
                "counts": [1, 2, 4],
                "logit": 1.0,
                "orders": {"most attended": {"drop": fall}, "random": {"drop": [0.1] * 3}},
            },
        }

    return Record({}, {}, {c: {"runs": [run(s, h) for s in (0, 1)]} for c, h in level.items()})


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
    record = as_claimed(name)
    for label in ("p = 1.1", "p = 1.1, momentum", "Adam", "l_1 penalty"):
        record.contenders[label]["runs"][1] = study({label: 0.9}).runs(label)[1]
    return record


IMAGES = {"p = 1.1": 0.5, "p = 1.1, momentum": 0.5, "Adam": 0.3}


def images_as_claimed(name):
    assert name in ("mnist", "cifar")
    record = study(IMAGES)
    for label, level in IMAGES.items():
        for run in record.runs(label):
            run["test"]["best"]["accuracy"] = 0.8
            curve = [{"fraction": f, "accuracy": 0.8 - f * (1 - level)} for f in (0, 1)]
            run["pruning"] = {"model": curve, "matrix": curve}
    return record


def images_reversed(name):
    record = images_as_claimed(name)
    runs = [record.contenders[label] for label in IMAGES]
    return Record({}, {}, dict(zip(IMAGES, reversed(runs), strict=True)))


def images_behind(name, points=(0.02, 0.021)):
    """Adam is ahead by more than a point, or on one seed only."""
    record = images_as_claimed(name)
    for run, ahead in zip(record.runs("Adam"), points, strict=True):
        run["test"]["best"]["accuracy"] += ahead
    return record


def images_unsure(name):
    return images_behind(name, (0.0, 0.015))

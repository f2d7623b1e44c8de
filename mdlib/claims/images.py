"""Claims of chapter 15: mirror descent against Adam on vision transformers, and sparse weights.

The runs take hours. They were made once, by ``python -m mdlib study images mnist`` and
``cifar``, and the claims read the records; a point is a per cent. Each compares two contenders seed
by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from mdlib.claims.form import Measured
from mdlib.claims.ledger import claim
from mdlib.claims.studies import FORMS, POINTS, best_accuracy, more_of, more_small, more_tiny
from mdlib.measure.pruning import prunable
from mdlib.runs.record import Record
from mdlib.studies.images import ImageRun, recorded

Read = Callable[[str], Record[ImageRun]]

# How the records are called, and what they are of.
SETS = {"mnist": "MNIST", "cifar": "CIFAR-10 (JPEG)"}
_RULES = {"model": "whole network", "matrix": "each matrix"}


@claim(
    key="images-parity",
    chapter=15,
    place="experiments: vision",
    statement="A vision transformer trained with p = 1.1 is at most a point behind one trained "
    "with Adam (the paper: both at about 81 %)",
)
def images_parity(read: Read = recorded) -> Iterator[Measured]:
    """How far the test accuracy is behind Adam's at the best validation epoch, in points.

    At equal epochs, with the rate tuned for each on the validation part. The interval must end
    below a point: that no difference is seen does not show that there is none.
    """
    for name, of in SETS.items():
        record = read(name)
        for form, label in FORMS.items():
            behind = record.difference("Adam", label.format(1.1), best_accuracy)
            case, seeds = f"{of}, {form}, points behind", range(len(record.runs("Adam")))
            yield Measured(f"{case}: mean", POINTS * behind.mean, "<=", 1, seeds)
            high = POINTS * behind.high
            yield Measured(f"{case}: 95 % interval, high end", high, "<=", 1, seeds)


@claim(
    key="images-sparsity",
    chapter=15,
    place="experiments: attention weights of the vision models",
    statement="p = 1.1 leaves more entries of W_Q, W_K and W_V near zero than Adam",
)
def images_sparsity(read: Read = recorded) -> Iterator[Measured]:
    """Differences in the share of entries up to a hundredth of the largest, in points.

    That share also grows where only the largest entries do. So beside it stands the share of
    entries of the three matrices below 0.01.
    """
    for name, of in SETS.items():
        record = read(name)
        for form, label in FORMS.items():
            case, rivals = f"{of}, {form}", (label.format(1.1), "Adam")
            yield from more_small(case, record, *rivals)
            yield from more_tiny(case, record, *rivals)


@claim(
    key="images-pruning",
    chapter=15,
    place="this book",
    statement="Of a network trained with p = 1.1 more weights can be pruned than of one trained "
    "with Adam",
)
def images_pruning(read: Read = recorded) -> Iterator[Measured]:
    """Differences in the share of weights that can go at a cost of a point of accuracy, in points.

    The smallest entries go, of the whole network or of each matrix; nothing is trained again.
    """
    for name, of in SETS.items():
        record = read(name)
        for scope, rule in _RULES.items():
            adam = _prunable(record, "Adam", scope)
            for form, label in FORMS.items():
                own = _prunable(record, label.format(1.1), scope)
                yield from more_of(f"{of}, {rule}, {form}, points", own, adam, POINTS)


def _prunable(record: Record[ImageRun], label: str, scope: str) -> Tensor:
    return record.values(label, lambda run: prunable(run.pruning[scope]))

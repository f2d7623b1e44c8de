"""Tables of a record: what was chosen and how it did, and how sparse the attention weights are."""

from __future__ import annotations

from torch import Tensor

from mdlib.figures import Shown, spread, table
from mdlib.runs.record import TINY, Record
from mdlib.runs.results import R


def accuracy_table(record: Record[R], caption: str = "") -> Shown:
    """Return a line for each contender: what it chose, and its accuracies in per cent."""
    labels = list(record.contenders)
    chosen = (record.contenders[label].chosen for label in labels)
    columns = {
        "": labels,
        "chosen": [", ".join(f"{name} {x:g}" for name, x in one.items()) for one in chosen],
    }
    for title, path in {
        "validation": ("best", "validation_accuracy"),
        "test, best epoch": ("test", "best", "accuracy"),
        "test, last epoch": ("test", "last", "accuracy"),
    }.items():
        columns[title] = [percent(record.values(label, *path)) for label in labels]
    columns["best epoch"] = [spread(record.values(label, "best", "epoch")) for label in labels]
    return table(columns, caption=caption or record.origin)


def sparsity_table(record: Record[R], caption: str = "") -> Shown:
    """Return a line for each contender: how sparse its attention weights are at the end."""
    labels = list(record.contenders)
    columns = {"": labels}
    names = {"zero": "zero", "tiny": f"below {TINY:g}", "small": "below largest/100"}
    for measure, name in names.items():
        columns[f"{name}, %"] = [percent(record.sparsity(label, measure)) for label in labels]
    columns["Hoyer"] = [spread(record.sparsity(label, "hoyer"), 2) for label in labels]
    return table(columns, caption=caption or record.origin)


def percent(shares: Tensor, digits: int = 1) -> str:
    """Write mean and standard deviation of shares in per cent.

    Examples
    --------
    >>> import torch
    >>> percent(torch.tensor([0.81, 0.83]))
    '82.0 ± 1.4'
    """
    return spread(100 * shares, digits)

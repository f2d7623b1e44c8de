"""The modes of a model's parts: training or evaluation, each part with its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def modes_kept(model: nn.Module) -> Iterator[None]:
    """Leave every part in the mode in which it came, whatever happens inside.

    A backbone that is frozen in evaluation mode stays so: its BatchNorm keeps its running mean.

    Examples
    --------
    >>> model = nn.Sequential(nn.BatchNorm1d(2).eval(), nn.Linear(2, 1))
    >>> with modes_kept(model):
    ...     model = model.eval()
    >>> [part.training for part in model.modules()]
    [True, False, True]
    """
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:  # the whole before its parts, which have the last word
            module.train(training)

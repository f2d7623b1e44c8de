"""Layers that compare the examples of a batch: what they need of a batch is more than one."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

_REMEDY = "put it in evaluation mode, or take a norm of each example, such as LayerNorm"


def batch_norm(model: nn.Module) -> str | None:
    """Return the name of the first BatchNorm that will train when the model does.

    Examples
    --------
    >>> batch_norm(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)))
    '1'
    >>> batch_norm(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3).eval())) is None
    True
    """
    name: str
    for name, part in model.named_modules():
        if isinstance(part, _BatchNorm) and (part.training or not model.training):
            return name
    return None


def check_shared(model: nn.Module, processes: int) -> None:
    """Refuse a BatchNorm that would see only a process's share of a batch.

    Raises
    ------
    ValueError
        If there is one and several processes.
    """
    if processes > 1 and (name := batch_norm(model)) is not None:
        raise ValueError(
            f"{name} is a BatchNorm, and each of {processes} processes would take it over its own "
            f"share of a batch: train in one process, {_REMEDY}"
        )


def explained(error: ValueError, model: nn.Module, examples: int) -> ValueError:
    """Return the error of a forward pass, with what to do if BatchNorm met a single example."""
    if examples > 1 or (name := batch_norm(model)) is None:
        return error
    return ValueError(
        f"a batch has one example left over, and {name}, a BatchNorm, needs two ({error}): choose "
        f"another batch_size, {_REMEDY}"
    )

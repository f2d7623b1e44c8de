"""What determines a run, in a form that can be written down and compared."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mdlib.files import provenance
from mdlib.train.directory import differences
from mdlib.train.examples import Examples
from mdlib.train.objective import Loss


def describe(
    model: nn.Module,
    optimizer: Optimizer,
    train: Examples,
    validation: Examples | None,
    loss: Loss | None,
) -> dict[str, Any]:
    """Return what JSON can hold of the objects that determine a run.

    Examples
    --------
    >>> from mdlib.train import Arrays
    >>> model = nn.Linear(2, 3)
    >>> data = Arrays(torch.zeros(5, 2), torch.arange(5) % 3)
    >>> found = describe(model, torch.optim.SGD(model.parameters(), 0.1), data, None, None)
    >>> found["model"], found["optimizer"]["groups"][0]["lr"], found["train"]["examples"]
    (['Linear(in_features=2, out_features=3, bias=True)'], 0.1, 5)
    """
    return {
        "model": str(model).splitlines(),
        "weights": sum(param.numel() for param in model.parameters()),
        "dtype": str(next(model.parameters()).dtype),
        "optimizer": {
            "name": type(optimizer).__name__,
            "groups": [
                {name: _plain(value) for name, value in group.items() if name != "params"}
                | {"parameters": [list(param.shape) for param in group["params"]]}
                for group in optimizer.param_groups
            ],
        },
        "train": _describe_examples(train),
        "validation": None if validation is None else _describe_examples(validation),
        "loss": None if loss is None else getattr(loss, "__qualname__", type(loss).__name__),
    }


def whereabouts(device: torch.device, precision: str, processes: int) -> dict[str, Any]:
    """Return on what a run is computed, in two parts.

    ``same``: what has to be the same after a restart. ``origin``: what the last digits of the
    result depend on.
    """
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return {
        "same": {"device": device.type, "precision": precision, "processes": processes},
        "origin": {
            "versions": provenance.versions("torch", "numpy"),
            "hardware": provenance.hardware(),
            "threads": torch.get_num_threads(),
            "commit": provenance.commit(),
        }
        | gpu,
    }


def check_whereabouts(begun: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    """Refuse to go on with another kind of arithmetic; warn of another machine or version.

    Raises
    ------
    ValueError
        If a part of ``same`` differs: it is named.
    """
    if moved := list(differences(begun["same"], now["same"])):
        raise ValueError(
            f"{path} was begun otherwise: {'; '.join(moved)}; go on as it was begun, or give this "
            "run a directory of its own"
        )
    if moved := list(differences(begun["origin"], now["origin"])):
        warnings.warn(
            f"{path} was begun elsewhere ({'; '.join(moved)}): what is computed from here on may "
            "differ in the last digits from what it would have been there",
            stacklevel=2,
        )


def _describe_examples(examples: Examples) -> dict[str, Any]:
    return {
        "examples": len(examples.lengths),
        "longest": int(examples.lengths.max()),
        "fingerprint": getattr(examples, "fingerprint", None),
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor | np.generic):
        return value.tolist()
    if isinstance(value, Sequence):
        return [_plain(entry) for entry in value]
    return repr(value)

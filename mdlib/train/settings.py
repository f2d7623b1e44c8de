"""What determines a run, in a form that can be written down and compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from mdlib.files import provenance as origin
from mdlib.train.examples import Examples
from mdlib.train.objective import Loss


def describe(
    model: nn.Module,
    optimizer: Optimizer,
    train: Examples,
    validation: Examples | None,
    loss: Loss | None,
    device: torch.device,
) -> dict[str, Any]:
    """Return what JSON can hold of the objects that determine a run.

    Examples
    --------
    >>> from mdlib.train import Arrays
    >>> model = nn.Linear(2, 3)
    >>> data = Arrays(torch.zeros(5, 2), torch.arange(5) % 3)
    >>> found = describe(model, torch.optim.SGD(model.parameters(), 0.1), data, None, None,
    ...     torch.device("cpu"))
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
        "device": device.type,
    }


def provenance(device: torch.device) -> dict[str, Any]:
    """Return on what the run is computed; the last digits of the result depend on it."""
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device.type == "cuda" else {}
    return {
        "versions": origin.versions("torch", "numpy"),
        "hardware": origin.hardware(),
        "threads": torch.get_num_threads(),
        "commit": origin.commit(),
    } | gpu


def _describe_examples(examples: Examples) -> dict[str, Any]:
    return {
        "examples": len(examples.lengths),
        "longest": int(examples.lengths.max()),
        "fingerprint": getattr(examples, "fingerprint", None),
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Tensor):
        return value.tolist()
    if isinstance(value, Sequence):
        return [_plain(entry) for entry in value]
    return repr(value)

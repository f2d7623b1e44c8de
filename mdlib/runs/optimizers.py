"""The optimizers that a run can be made with, and the values that only some of them have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, cast

import torch
from torch import nn
from torch.optim import Optimizer

from mdlib.optim.mirror_descent import MirrorDescent
from mdlib.geometry.potentials import LpPotential
from mdlib.optim.proximal import ProximalSGD


class Choice(Protocol):
    """The values of a run that say how it is optimized; see `mdlib.runs.TrainingRun`."""

    @property
    def optimizer(self) -> str: ...  # noqa: D102
    @property
    def p(self) -> float | None: ...  # noqa: D102
    @property
    def lr(self) -> float: ...  # noqa: D102
    @property
    def momentum(self) -> float: ...  # noqa: D102
    @property
    def penalty(self) -> float: ...  # noqa: D102
    @property
    def weight_decay(self) -> float: ...  # noqa: D102
    @property
    def normalize(self) -> bool: ...  # noqa: D102


OPTIMIZERS: dict[str, Callable[[Any, Choice], Optimizer]] = {
    "md": lambda params, run: MirrorDescent(
        params,
        run.lr,
        LpPotential(cast(float, run.p)),
        run.momentum,
        run.weight_decay,
        run.normalize,
    ),
    "sgd": lambda params, run: torch.optim.SGD(params, run.lr, run.momentum),
    "l1": lambda params, run: ProximalSGD(params, run.lr, run.penalty, run.momentum),
    "adam": lambda params, run: torch.optim.Adam(params, run.lr),
    "adamw": lambda params, run: torch.optim.AdamW(params, run.lr, weight_decay=run.weight_decay),
}
# What only some of them have.
OWN = {
    "p": ("md",),
    "normalize": ("md",),
    "momentum": ("md", "sgd", "l1"),
    "penalty": ("l1",),
    "weight_decay": ("md", "adamw"),
}


def build_optimizer(run: Choice, model: nn.Module) -> Optimizer:
    """Return the run's optimizer over all weights."""
    return OPTIMIZERS[run.optimizer](model.parameters(), run)


def check_choice(run: Choice) -> None:
    """Refuse an optimizer that is unknown, or values that it lacks or does not have.

    Raises
    ------
    ValueError
    """
    if run.optimizer not in OPTIMIZERS:
        known = ", ".join(OPTIMIZERS)
        raise ValueError(f"optimizer must be one of {known}; got {run.optimizer!r}")
    needed = (("md", "p", 1.1), ("l1", "penalty", 1e-4), ("adamw", "weight_decay", 0.01))
    for optimizer, name, usual in needed:
        if run.optimizer == optimizer and not (value := getattr(run, name)):
            raise ValueError(
                f"{optimizer} needs a {name}, got {value}; give {name}, such as {name}={usual}"
            )
    for name, users in OWN.items():
        value = getattr(run, name)
        if value and run.optimizer not in users:
            raise ValueError(
                f"{run.optimizer} has no {name}, got {value}; leave it out, or take "
                f"{' or '.join(users)}"
            )

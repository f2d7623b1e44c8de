"""The optimizers that a run can be made with, and the values that only some of them have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.optim import Optimizer

from mdlib.geometry.potentials import LpPotential
from mdlib.optim.mirror_descent import MirrorDescent
from mdlib.optim.proximal import ProximalSGD

# What only some of them have.
OWN = {
    "p": ("md",),
    "normalize": ("md",),
    "momentum": ("md", "sgd", "l1"),
    "penalty": ("l1",),
    "weight_decay": ("md", "adamw"),
}


@dataclass(frozen=True, kw_only=True)
class OptimizerChoice:
    """How a run is optimized.

    Attributes
    ----------
    optimizer : {"md", "sgd", "l1", "adam", "adamw"}
        md is mirror descent; its rivals are gradient descent, the same with an l_1 penalty, and
        Adam without and with decoupled weight decay. All act on all weights.
    p : float or None
        Exponent of md's potential: 2 is gradient descent, near 1 sparse.
    lr : float
        Learning rate; a preset has one for most optimizers and exponents.
    momentum : float
        Of md (in the dual), sgd and l1.
    penalty : float
        Factor of the l_1 norm, above 0, for l1.
    weight_decay : float
        Decoupled, of md (in the dual) and adamw, there above 0.
    normalize : bool
        Divide each gradient by its dual norm (md).

    Raises
    ------
    ValueError
        For an optimizer that is unknown, or values that it lacks or does not have.
    """

    optimizer: Literal["md", "sgd", "l1", "adam", "adamw"] = "md"
    p: float | None = None
    lr: float = 1e-3
    momentum: float = 0.0
    penalty: float = 0.0
    weight_decay: float = 0.0
    normalize: bool = False

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            known = ", ".join(OPTIMIZERS)
            raise ValueError(f"optimizer must be one of {known}; got {self.optimizer!r}")
        needed = (("md", "p", 1.1), ("l1", "penalty", 1e-4), ("adamw", "weight_decay", 0.01))
        for optimizer, name, usual in needed:
            if self.optimizer == optimizer and not (value := getattr(self, name)):
                raise ValueError(
                    f"{optimizer} needs a {name}, got {value}; give {name}, such as {name}={usual}"
                )
        for name, users in OWN.items():
            value = getattr(self, name)
            if value and self.optimizer not in users:
                raise ValueError(
                    f"{self.optimizer} has no {name}, got {value}; leave it out, or take "
                    f"{' or '.join(users)}"
                )


def build_optimizer(run: OptimizerChoice, model: nn.Module) -> Optimizer:
    """Return the optimizer of the choice over all weights.

    Examples
    --------
    >>> build_optimizer(OptimizerChoice(p=1.1, lr=0.5), nn.Linear(2, 1)).param_groups[0]["lr"]
    0.5
    """
    return OPTIMIZERS[run.optimizer](model.parameters(), run)


OPTIMIZERS: dict[str, Callable[[Any, OptimizerChoice], Optimizer]] = {
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

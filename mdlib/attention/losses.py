"""Losses of a margin: decreasing functions, with the logarithm of their slope.

The paper asks of a loss that it falls strictly and has a bounded, Lipschitz derivative on bounded
intervals; these three do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Loss:
    """A loss of the margin u, entry by entry.

    Attributes
    ----------
    value : function of a tensor
        loss(u).
    log_slope : function of a tensor
        log |loss'(u)|, which stays finite where the slope itself underflows.
    """

    value: Callable[[Tensor], Tensor]
    log_slope: Callable[[Tensor], Tensor]


LOSSES = {
    "logistic": Loss(lambda u: -F.logsigmoid(u), lambda u: F.logsigmoid(-u)),
    "exponential": Loss(lambda u: torch.exp(-u), lambda u: -u),
    "linear": Loss(lambda u: -u, torch.zeros_like),
}


def loss_named(name: str) -> Loss:
    """Return the loss of that name; ValueError lists the names there are.

    Examples
    --------
    >>> loss_named("logistic").value(torch.tensor(0.0))
    tensor(0.6931)
    """
    if name not in LOSSES:
        raise ValueError(f"loss must be one of {', '.join(LOSSES)}; got {name!r}")
    return LOSSES[name]


def log_value(name: str, margins: Tensor) -> Tensor:
    """Return log loss(u) where the loss is positive, exact however large the margin u.

    Raises
    ------
    ValueError
        For the linear loss, which has no lower bound, and for an unknown one.

    Examples
    --------
    >>> log_value("logistic", torch.tensor([0.0, 1000.0]))
    tensor([-3.6651e-01, -1.0000e+03])
    """
    if name == "exponential":
        return -margins
    if name != "logistic":
        loss_named(name)
        raise ValueError(f"loss must be positive, so logistic or exponential; got {name!r}")
    # The loss is exp(-u) to the last digit from u = 40 on; its logarithm then needs no exp.
    return torch.where(margins > 40, -margins, (-F.logsigmoid(margins.clamp(max=40))).log())

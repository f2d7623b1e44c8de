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

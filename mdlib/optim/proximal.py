r"""ProximalSGD: gradient descent with an explicit l_1 penalty, the rival of a potential near l_1.

.. math:: w_{k+1} = \operatorname{soft}(w_k - \eta\, m_k,\; \eta\lambda), \qquad
   \operatorname{soft}(u, t) = \operatorname{sign}(u) \max(|u| - t, 0).

The penalty is taken by its proximal step, not by its subgradient: soft thresholding makes weights
exactly 0 and leaves them there, while a subgradient step jumps across 0 by the step size for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, cast, overload

import torch
from torch.nn import functional as F


class ProximalSGD(torch.optim.SGD):
    r"""Minimise the loss plus :math:`\lambda \|w\|_1`.

    Parameters
    ----------
    params : iterable
        Tensors or parameter groups, each of which may have its own ``penalty``.
    lr : float
    penalty : float
        The factor lambda; 0 is plain `torch.optim.SGD`.
    momentum : float
        Of the loss's gradient; the penalty has none.

    Raises
    ------
    ValueError
        For options below 0, or a penalty that is not finite.

    Examples
    --------
    >>> w = torch.nn.Parameter(torch.zeros(3))
    >>> optimizer = ProximalSGD([w], lr=0.1, penalty=1.0)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     (0.5 * (w - torch.tensor([3.0, 0.9, -2.0])).square().sum()).backward()
    ...     optimizer.step()
    >>> w.data.round(decimals=3).tolist()
    [2.0, 0.0, -1.0]
    """

    def __init__(
        self, params: Iterable[Any], lr: float = 1e-3, penalty: float = 0.0, momentum: float = 0.0
    ) -> None:
        self._penalty = penalty
        super().__init__(params, lr=lr, momentum=momentum)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a parameter group, with its own options where it names them."""
        penalty = param_group.setdefault("penalty", self._penalty)
        if not 0.0 <= penalty < float("inf"):
            raise ValueError(f"penalty must be finite and >= 0, got {penalty}")
        super().add_param_group(param_group)

    @overload
    def step(self, closure: None = None) -> None: ...
    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Take one step; a closure is evaluated first, gradients enabled, and its loss returned."""
        loss = cast("float | None", super().step(closure))
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    param.copy_(F.softshrink(param, float(group["lr"]) * group["penalty"]))
        return loss

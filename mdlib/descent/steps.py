"""The steps of a descent on W, or on W and v: as tensor operations, or compiled where that pays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from mdlib.attention.gradient import RiskGradient
from mdlib.attention.losses import LOSSES
from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import MATRIX, one_axis
from mdlib.geometry import LpPotential, Potential

_SMALL = 64  # the largest d for which a plain loop beats the library's matrix products


class Weight:
    """A weight on its way: its value, its dual point, and the log of the flow's time so far.

    Parameters
    ----------
    value : Tensor (B, rows, d)
        Where it starts, one for each problem.
    psi : Potential, optional
        Without one the weight does not learn.
    normalize : bool
        Divide the gradient by its dual norm.
    """

    def __init__(self, value: Tensor, psi: Potential | None = None, normalize: bool = True) -> None:
        self.value = value.clone(memory_format=torch.contiguous_format)  # the kernel's one layout
        self.psi, self.normalize = psi, normalize
        self.dual = self.value if psi is None else psi.mirror(self.value).clone()
        self.log_time = value.new_full((len(value), 1, 1), -torch.inf)

    def step(self, G: Tensor, log_scale: Tensor, lr: float) -> None:
        """Take the mirror step along the gradient exp(log_scale) G."""
        assert self.psi is not None
        if self.normalize:
            rate = lr / self.psi.dual_norm(G, dim=MATRIX, keepdim=True)
            rate = rate.nan_to_num(posinf=0.0)  # no gradient: no step, no time
            spent = rate.log() - log_scale
        else:
            rate = lr * log_scale.exp()
            spent = torch.full_like(log_scale, math.log(lr))
        self.dual = torch.addcmul(self.dual, rate, G, value=-1)
        self.value = self.psi.inverse(self.dual)
        self.log_time = torch.logaddexp(self.log_time, spent)


class Steps(Protocol):
    """What a descent needs to get on: two weights, and a way to move both."""

    W: Weight
    v: Weight

    def advance(self, lr_W: Sequence[float], lr_v: Sequence[float]) -> None:
        """Take a step for each pair of step sizes; both weights start it from the same point."""


class TorchSteps:
    """Steps as tensor operations: any potential, dtype, device and size.

    Parameters
    ----------
    problem : AttentionProblem
    W : Weight (B, d, d)
    v : Weight (B, 1, d)
    loss : {"logistic", "exponential", "linear"}
    batch : torch.Size
        The leading axes that are joined into B.
    """

    def __init__(
        self, problem: AttentionProblem, W: Weight, v: Weight, loss: str, batch: torch.Size
    ) -> None:
        self.W, self.v = W, v
        self._gradient = RiskGradient(problem, v.value.view(*batch, -1), loss, batch)

    def advance(self, lr_W: Sequence[float], lr_v: Sequence[float]) -> None:
        """Take a step for each pair of step sizes; both weights start it from the same point."""
        for eta_W, eta_v in zip(lr_W, lr_v, strict=True):
            if self.v.psi is None:
                in_W = self._gradient(self.W.value)
            else:
                in_W, in_v = self._gradient.joint(self.W.value, self.v.value)
                self.v.step(*in_v, eta_v)
            self.W.step(*in_W, eta_W)


class CompiledSteps:
    """The same steps by `descent.kernel`, for small problems: l_p potentials, float64, the CPU.

    The problems are shared out over as many threads as torch uses.
    """

    def __init__(
        self, problem: AttentionProblem, W: Weight, v: Weight, loss: str, batch: torch.Size
    ) -> None:
        self.W, self.v = W, v
        self._loss = list(LOSSES).index(loss)
        padding = torch.zeros_like(problem.X[..., 0])
        if problem.mask is not None:
            padding = padding.masked_fill(~problem.mask, -torch.inf)
        data = [(problem.X, 3), (problem.X.mT, 3), (problem.y, 1), (problem.z, 2), (padding, 2)]
        self._data = [one_axis(x, batch, axes).contiguous().numpy() for x, axes in data]

    @staticmethod
    def can(problem: AttentionProblem, W: Weight, v: Weight) -> bool:
        """Whether the kernel knows how, and is likely to be faster."""
        X = problem.X
        return (
            all(type(psi) in (LpPotential, type(None)) for psi in (W.psi, v.psi))
            and (X.dtype, X.device.type) == (torch.float64, "cpu")
            and X.shape[-1] <= _SMALL
        )

    def advance(self, lr_W: Sequence[float], lr_v: Sequence[float]) -> None:
        """Take a step for each pair of step sizes; both weights start it from the same point."""
        # Late: numba takes half a second to import, which whoever does not descend is spared.
        from mdlib.descent.kernel import descend

        W, v = self.W, self.v
        arrays = [*self._data, *_state(W), *_state(v)]
        rates = np.array(lr_W), np.array(lr_v)

        def run(rows: slice) -> None:
            part = (array[rows] for array in arrays)
            descend(*part, _exponent(W), _exponent(v), *rates, W.normalize, self._loss)

        B = len(W.value)
        workers = min(torch.get_num_threads(), B)
        if workers == 1:
            run(slice(0, B))  # without a thread, which takes longer than a short run
        else:
            ends = [i * B // workers for i in range(workers + 1)]
            with ThreadPoolExecutor(workers) as pool:
                list(pool.map(run, map(slice, ends, ends[1:])))  # list: raises what a thread did


def _state(weight: Weight) -> list[np.ndarray]:
    """What the kernel changes in place."""
    return [weight.value.numpy(), weight.dual.numpy(), weight.log_time[:, 0, 0].numpy()]


def _exponent(weight: Weight) -> float:
    """The exponent of the inverse map; 0 where nothing learns."""
    return weight.psi.q - 1 if isinstance(weight.psi, LpPotential) else 0.0

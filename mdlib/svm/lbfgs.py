r"""Large margin problems: the dual by L-BFGS-B, one problem at a time, no m x m matrix.

The dual of :math:`\min \frac1p\|w\|_p^p` subject to :math:`A w \ge b` is

.. math:: \max_{\lambda \ge 0} \; \langle b, \lambda \rangle - \tfrac1q \|A^\top \lambda\|_q^q,

smooth but for the signs of :math:`\lambda`, with gradient :math:`b - A w`, where
:math:`w = (\nabla\psi)^{-1}(A^\top\lambda)` is once more the inverse mirror map.

A line search compares values, and near the optimum two values agree in nearly every digit: L-BFGS
then stops at a gap of about 1e-6. So after a first run every further one measures its values from
where it starts. There the difference is a Bregman divergence of the conjugate potential, which
`mdlib.geometry.potential` computes exactly, and the gap falls as far as asked.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from mdlib.geometry.potentials import LpPotential
from mdlib.svm.constraints import Constraints
from mdlib.svm.duality import lower_bound, relative_gap, scale_to_optimum

# Tried on problems of 42 and 98 constraints, p from 1.05 to 4.
_ROUNDS = 40  # up to p = 4 four are enough; for p = 8 forty leave a gap of 6e-3, and four of 2e-2
_STEPS = 80  # of one round; 8 miss the tolerance at twice the work, 800 change nothing
_MEMORY = 20  # 5 cost 20 to 70 % more, 60 save up to 18 %
_FLAT = 1e-12  # relative fall at which the first run ends; 1e-6 costs 13 to 21 % more
_LOOK = 10  # steps between two looks at the gap; 1 costs 11 to 30 % more, never to look up to 87 %


def lbfgs(A: Constraints, p: float, tol: float, limit: Tensor) -> tuple[Tensor, Tensor]:
    """Return weights and multipliers of one problem, gap at most ``tol`` or the best reached.

    It stops early once the dual bound on the norm exceeds ``limit``: the problem is infeasible.
    """
    psi = LpPotential(p)
    start = (A.bound >= 0).to(A.bound)
    if lower_bound(A, psi, start) >= limit:  # as lucky as it is: the start proves it
        return psi.inverse(A.pull(start)), start
    multipliers = _from_far(A, psi, scale_to_optimum(A, psi, start))

    def done(multipliers: Tensor) -> bool:
        gap, bound = relative_gap(A, psi, psi.inverse(A.pull(multipliers)), multipliers)
        return bool(gap <= tol) or bool(bound >= limit)

    for _ in range(_ROUNDS):
        if done(multipliers):
            break
        multipliers = _from_near(A, psi, multipliers, done)
    return psi.inverse(A.pull(multipliers)), multipliers


def _from_far(A: Constraints, psi: LpPotential, start: Tensor) -> Tensor:
    """Minimise the square form of the dual, which is as well scaled for p = 1.1 as for 2."""

    def value_and_gradient(multipliers: Tensor) -> tuple[Tensor, Tensor]:
        dual = A.pull(multipliers)
        norm = psi.dual_norm(dual)
        w = psi.inverse(dual / norm) * norm
        return norm.square() / 2 - A.bound @ multipliers, A.margins(w) - A.bound

    scale = (A.bound @ start) / psi.dual_norm(A.pull(start)) ** 2
    return _minimise(value_and_gradient, start * scale, steps=5 * _STEPS, ftol=_FLAT)


def _from_near(
    A: Constraints, psi: LpPotential, near: Tensor, done: Callable[[Tensor], bool]
) -> Tensor:
    """Minimise the dual itself, its value measured from the start."""
    near = scale_to_optimum(A, psi, near)
    conjugate = LpPotential(psi.q)
    dual_there = A.pull(near)
    slope_there = A.margins(psi.inverse(dual_there)) - A.bound

    def value_and_gradient(multipliers: Tensor) -> tuple[Tensor, Tensor]:
        dual = A.pull(multipliers)
        value = conjugate.divergence(dual, dual_there) + slope_there @ (multipliers - near)
        return value, A.margins(psi.inverse(dual)) - A.bound

    return _minimise(value_and_gradient, near, steps=_STEPS, ftol=0.0, done=done)


def _minimise(
    value_and_gradient: Callable[[Tensor], tuple[Tensor, Tensor]],
    start: Tensor, steps: int, ftol: float, done: Callable[[Tensor], bool] | None = None,
) -> Tensor:  # fmt: skip
    """Run L-BFGS-B on nonnegative multipliers, asking every tenth step whether it is done."""
    from scipy.optimize import minimize  # late: as long to import as all of mdlib, for a few users

    unit = start.mean()  # the first step takes variables to be of size 1
    taken = itertools.count(1)

    def call(x: np.ndarray) -> tuple[float, np.ndarray]:
        value, gradient = value_and_gradient(torch.from_numpy(x).to(start) * unit)
        return (value / unit).item(), gradient.cpu().numpy()

    def look(x: np.ndarray) -> None:
        if done and next(taken) % _LOOK == 0 and done(torch.from_numpy(x).to(start) * unit):
            raise StopIteration

    found = minimize(
        call, (start / unit).cpu().numpy(), jac=True, method="L-BFGS-B",
        bounds=[(0, None)] * len(start), callback=look,
        options={"maxcor": _MEMORY, "maxiter": steps, "ftol": ftol, "gtol": 0.0},
    )  # fmt: skip
    return torch.from_numpy(found.x).to(start) * unit

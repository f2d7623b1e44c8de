"""Solution: an answer that carries the proof of how good it is, and what is raised without one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mdlib.potentials import LpPotential
from mdlib.svm.constraints import Constraints
from mdlib.svm.duality import lower_bound, scale_to_optimum

_SLACK = 1e-7  # a margin this close to its bound is tight
_ROUNDING = 1e-12  # more than a margin can be off by in float64


@dataclass(frozen=True)
class Solution:
    r"""The smallest weights with margin 1, and the certificate that they are.

    The certificate rests on weak duality: no weights with all margins have a norm below
    :math:`\langle b, \lambda \rangle / \|A^\top \lambda\|_q`, whatever :math:`\lambda \ge 0`
    (`mdlib.svm.duality`). Leading axes ``...`` are the batch; per constraint means (..., n, T) for
    `attention_svm` and (..., n) for `classifier_svm`.

    Attributes
    ----------
    weights : Tensor
        The solution, float64, scaled so that every required margin is at least 1; also ``W`` (of
        `attention_svm`, (..., d, d)) and ``v`` (of `classifier_svm`, (..., d)).
    p : float
        The exponent of the norm.
    norm : Tensor (...)
        The l_p norm of the weights. Its reciprocal is the margin of the direction.
    margins : Tensor, per constraint
        inf where there is no constraint: at the chosen token and at padding.
    multipliers : Tensor, per constraint
        lambda >= 0 with mirror(weights) = A' lambda; 0 where there is no constraint.
    support : bool Tensor, per constraint
        True where the constraint is tight: the support tokens of the paper's Definition 2, or the
        support vectors. At an accuracy of ``gap`` this means that the multiplier, relative to the
        largest, exceeds what the margin has to spare.
    gap : Tensor (...)
        Relative duality gap: the norm is at most norm * gap above the smallest possible.
    violation : Tensor (...)
        By how much a margin falls short at most; 0 unless some margins only have to be
        nonnegative, as scaling cannot repair those.
    stationarity : Tensor (...)
        l_q norm of mirror(weights) - A' lambda, relative to that of mirror(weights).

    Examples
    --------
    >>> from mdlib import classifier_svm
    >>> solution = classifier_svm([[3.0, 0.0], [0.0, -4.0]], [1, -1], p=2)
    >>> solution.v * torch.tensor([3, 4])
    tensor([1.0000, 1.0000], dtype=torch.float64)
    >>> bool(solution.gap < 1e-8), solution.support.tolist()
    (True, [True, True])
    """

    weights: Tensor
    p: float
    norm: Tensor
    margins: Tensor
    multipliers: Tensor
    support: Tensor
    gap: Tensor
    violation: Tensor
    stationarity: Tensor

    @property
    def W(self) -> Tensor:  # noqa: N802
        """The weights, as `attention_svm` calls them."""
        return self.weights

    @property
    def v(self) -> Tensor:
        """The weights, as `classifier_svm` calls them."""
        return self.weights


class InfeasibleError(ValueError):
    """No weights reach the margins, and here is why.

    Attributes
    ----------
    multipliers : Tensor
        Nonnegative, summing to 1 over the required margins, with A' lambda = 0 up to rounding. By
        Farkas' lemma such multipliers exist exactly when no weights do: were there any, then
        1 = <b, lambda> <= <A w, lambda> = <w, A' lambda> = 0.
    bound : float
        1 / ||A' lambda||_q. What is proved in floating-point numbers: no weights of a smaller
        norm reach the margins.
    """

    def __init__(self, message: str, multipliers: Tensor, bound: float) -> None:
        super().__init__(message)
        self.multipliers, self.bound = multipliers, bound


class NotSolvedError(RuntimeError):
    """The tolerance was not met; ``solution`` holds what was reached, with its certificate."""

    def __init__(self, message: str, solution: Solution) -> None:
        super().__init__(message)
        self.solution = solution


def certify(A: Constraints, p: float, w: Tensor, multipliers: Tensor) -> Solution:
    """Scale weights to margin 1 and multipliers to match, and measure what separates them.

    Everything per constraint is (..., m), in the order of A; the margins of rows that stand in for
    no constraint are inf.
    """
    psi = LpPotential(p)
    absent = A.bound < 0
    w, margins = _to_margin_one(A, w)
    norm = psi.norm(w, dim=-1)
    multipliers = multipliers.clamp_min(0).masked_fill(absent, 0.0)
    bound = lower_bound(A, psi, multipliers)
    multipliers = scale_to_optimum(A, psi, multipliers)
    spare = (margins - A.bound).masked_fill(absent, torch.inf)
    share = multipliers / multipliers.amax(-1, keepdim=True)
    mirror = psi.mirror(w)
    residual = psi.dual_norm(mirror - A.pull(multipliers), dim=-1) / psi.dual_norm(mirror, dim=-1)
    return Solution(
        weights=w,
        p=psi.p,
        norm=norm,
        margins=margins.masked_fill(absent, torch.inf),
        multipliers=multipliers,
        support=(spare < share) | (spare < _SLACK),
        gap=1 - bound / norm,
        violation=(-spare).amax(-1).clamp_min(0),
        stationarity=residual,
    )


def _to_margin_one(A: Constraints, w: Tensor) -> tuple[Tensor, Tensor]:
    """Scale w until every required margin is at least 1, in whichever order it is summed up."""
    smallest = A.margins(w).masked_fill(~A.required, torch.inf).amin(-1, keepdim=True)
    w = w / smallest * (1 + _ROUNDING)
    return w, A.margins(w)

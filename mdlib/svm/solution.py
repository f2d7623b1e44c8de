"""Solution: an answer that carries the proof of how good it is, and what is raised without one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from torch import Tensor

from mdlib.svm.arrays import Array, Flags


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
        The solution, float64, scaled until every margin is what is required; also ``W`` (of
        `attention_svm`, (..., d, d)) and ``v`` (of `classifier_svm`, (..., d)).
    p : float
        The exponent of the norm.
    norm : Tensor (...)
        The l_p norm of the weights. Its reciprocal is the margin of the direction.
    margins : Tensor, per constraint
        inf where there is no constraint: at the chosen token and at padding.
    multipliers : Tensor, per constraint
        lambda >= 0 with mirror(weights) = A' lambda, so that <b, lambda> is norm^p; 0 where there
        is no constraint.
    support : bool Tensor, per constraint
        True where the constraint is tight: the support tokens of the paper, or the
        support vectors. What the margin has to spare is then below 1e-7, or below the multiplier
        relative to the largest. A constraint that is tight with multiplier 0 is told apart as
        finely as the margins are solved for, which is worse for p > 2.
    gap : Tensor (...)
        Relative duality gap: the norm is at most norm * gap above the smallest possible.
    violation : Tensor (...)
        By how much a margin falls short at most. 0, unless some margins only have to be
        nonnegative: scaling cannot repair those, and the gap may then be a little below 0.
    stationarity : Tensor (...)
        How far the weights are from the mirror image of A' lambda, relative: for p > 2 the l_q norm
        of mirror(weights) - A' lambda, for p <= 2 the l_p norm of inverse(A' lambda) - weights. The
        other side of the map is infinitely steep at 0 and would magnify rounding errors.
    steps : int64 Tensor (...)
        How many Newton steps it took.
    method : str
        "interior point" or "cvxpy".

    Examples
    --------
    >>> import torch
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
    steps: Tensor
    method: str

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
    problem : int
        Which problem of the batch, its axes flattened; 0 without a batch.
    multipliers : Tensor, per constraint, of that problem
        Nonnegative, summing to 1 over the required margins, with A' lambda = 0 up to rounding. By
        Farkas' lemma such multipliers exist exactly when no weights do: were there any, then
        1 = <b, lambda> <= <A w, lambda> = <w, A' lambda> = 0.
    bound : float
        1 / ||A' lambda||_q. What is proved in floating-point numbers: no weights of a smaller
        norm reach the margins. With the rows scaled to a largest entry of 1, A' lambda is below
        1e-10 of the largest entry in each column: weights that reached the margins would have to
        cancel ten digits in them, whatever the units of rows and columns.
    """

    def __init__(self, message: str, problem: int, multipliers: Tensor, bound: float) -> None:
        super().__init__(message)
        self.problem, self.multipliers, self.bound = problem, multipliers, bound


class NotSolvedError(RuntimeError):
    """The tolerance was not met; ``solution`` holds what was reached, with its certificate."""

    def __init__(self, message: str, solution: Solution) -> None:
        super().__init__(message)
        self.solution = solution


class Certificate(NamedTuple):
    """What `certify` fills in, one row a problem; `mdlib.svm.Solution` says what it is."""

    norm: Array  # (B,)
    gap: Array
    violation: Array
    stationarity: Array
    bound: Array  # what no weights with all margins go below
    margins: Array  # (B, m)
    support: Flags


def blank(B: int, m: int) -> Certificate:
    """Return a certificate to fill in."""
    norm, gap, violation, stationarity, bound = np.empty((5, B))
    return Certificate(
        norm, gap, violation, stationarity, bound, np.empty((B, m)), np.empty((B, m), np.bool_)
    )

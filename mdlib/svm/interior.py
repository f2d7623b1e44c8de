r"""A primal-dual interior point method for the l_p margin problem, many problems as one batch.

The problem is to minimise :math:`\frac1p\|w\|_p^p` subject to :math:`A w \ge b`. Its optimality
conditions with multipliers :math:`\lambda` and slacks s are

.. math::
    w = (\nabla\psi)^{-1}(A^\top \lambda), \qquad A w - b = s, \qquad
    \lambda_i s_i = 0, \qquad \lambda, s \ge 0.

The first is the mirror map once more. Newton steps on all three, the products :math:`\lambda_i s_i`
driven to 0 together (Mehrotra's predictor and corrector, 1992), cost one m x m factorisation each;
most problems take 10 to 30 of them to the last digits, for every p.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mdlib.geometry.potentials import LpPotential
from mdlib.svm.constraints import Constraints
from mdlib.svm.duality import mirror_distance, relative_gap, scale_to_optimum

# What other values did was tried on problems of 42 and 108 constraints, p from 1.05 to 20. Where
# nothing is said, a tenth and ten times as much change the number of steps by 3 % at most.
_STEPS = 200  # several times what the hardest of them take
_SLACK = 0.5  # the least at the start, half the usual margin; 0.05 costs up to 9 % more, 5 10 %
_NEAR = 0.1  # the gap from which on patience is counted
_RIDGE = 1e-14  # of the diagonal, for constraints that depend on each other
_OF_THE_WAY = 0.99  # to the boundary; 0.9 costs 26 to 54 % more, 0.999 saves 4 to 17 %
_CLOSE = 1e-8  # of which no leash is shorter: about the root of rounding
_TRIES, _SHORTER = 20, 0.6  # down to 4e-5 of the step; 0.3 costs up to 12 % more
_PATIENCE = 40  # steps without a better gap that end the work; 4 gives some up at p = 20
# Relative distance of w from the mirror image of the multipliers. With 0.08 it does not get through
# for p = 6 and 20; 8 costs up to 13 % more.
_FARTHEST = 0.8
# Damping matters for large p alone. With a least of 1e-6 p = 20 costs 5 % more; with a first of
# 1e-3 9 %; with a most of 1 it does not get through, with one of 0.01 it costs a third less.
_LEAST_DAMPING, _FIRST_DAMPING, _MOST_DAMPING = 1e-12, 1e-8, 1e-1
_SHORT, _LONG = 0.2, 0.6  # steps after which damping grows or shrinks; 0.5 and 0.95 cost up to 35 %


def interior_point(
    A: Constraints, p: float, tol: float, limit: Tensor, leash: float = math.inf
) -> tuple[Tensor, Tensor]:
    """Return weights and multipliers whose relative gap is at most ``tol``, or the best found.

    A has one batch axis. Problems leave the batch as they are solved; one is left as infeasible
    once its dual bound on the norm exceeds its ``limit``. With a short ``leash``, of about 300, w
    keeps as near to the mirror image of the multipliers as complementarity is to zero: slower, but
    it holds where one entry of w that crosses 0, where the map bends without bound, throws the
    iterates back and forth for ever.
    """
    psi = LpPotential(p)
    pull = A.row_norms(psi.q)  # at the start each row pulls alike, however long it is
    multipliers = scale_to_optimum(A, psi, 1 / torch.where(pull > 0, pull, 1.0))
    w = psi.inverse(A.pull(multipliers))
    slack = (A.margins(w) - A.bound).clamp_min(_SLACK)
    damping = torch.full_like(w[:, :1], _FIRST_DAMPING)
    best = _Best(w, multipliers)
    open_ = torch.arange(len(w), device=w.device)  # which problems are still being worked on
    for _ in range(_STEPS):
        gap, bound = relative_gap(A, psi, w, multipliers)
        proved = bound >= limit
        best.update(open_, gap, bound, proved, w, multipliers)
        going = (best.gap[open_] > tol) & ~proved & (best.age[open_] < _PATIENCE)
        if not going.all():
            A = A[going]
            w, multipliers, slack = w[going], multipliers[going], slack[going]
            damping, limit, open_ = damping[going], limit[going], open_[going]
        if not len(open_):
            break
        newton = _NewtonStep(A, psi, w, multipliers, slack, damping)
        length, (d_w, d_multipliers, d_slack) = newton.predict_and_correct(leash)
        w, slack = w + length * d_w, slack + length * d_slack
        multipliers = multipliers + length * d_multipliers
        damping = _adapt(damping, length)
    return best.w, best.multipliers


class _Best:
    """The iterate with the smallest gap of each problem, and for how many steps it has stood."""

    def __init__(self, w: Tensor, multipliers: Tensor) -> None:
        self.w, self.multipliers = w.clone(), multipliers.clone()
        self.gap = torch.full_like(w[:, 0], torch.inf)
        self.bound = torch.zeros_like(self.gap)
        self.age = torch.zeros_like(self.gap)

    def update(
        self, problems: Tensor, gap: Tensor, bound: Tensor, proved: Tensor, w: Tensor,
        multipliers: Tensor,
    ) -> None:  # fmt: skip
        """Take what is better for these problems."""
        gap_before = self.gap[problems]
        # While no weights have positive margins, the better multipliers prove more.
        proves_more = gap_before.isinf() & (bound > self.bound[problems])
        better = proved | (gap < gap_before) | proves_more
        # Far from the optimum the gap is 1 or more for many steps while the iterates get better.
        age = torch.where(better | (gap > _NEAR), 0.0, self.age[problems] + 1)
        self.age[problems] = age
        where = problems[better]
        self.gap[where], self.bound[where] = gap[better], bound[better]
        self.w[where], self.multipliers[where] = w[better], multipliers[better]


class _NewtonStep:
    """The linearised optimality conditions at one iterate, factorised."""

    def __init__(
        self, A: Constraints, psi: LpPotential, w: Tensor, multipliers: Tensor, slack: Tensor,
        damping: Tensor,
    ) -> None:  # fmt: skip
        self.A, self.psi = A, psi
        self.w, self.multipliers, self.slack = w, multipliers, slack
        self.dual = A.pull(multipliers)
        self.flex, self.miss = _linearised(psi, w, self.dual, damping)
        self.shortfall = A.bound + slack - A.margins(w + self.miss)
        gram = A.gram(self.flex)
        diagonal = gram.diagonal(dim1=-2, dim2=-1)
        diagonal += slack / multipliers + _RIDGE * diagonal
        self.factor, _ = torch.linalg.cholesky_ex(gram)

    def predict_and_correct(self, leash: float) -> tuple[Tensor, tuple[Tensor, Tensor, Tensor]]:
        """Return the step length and the step in w, multipliers and slack."""
        products = self.multipliers * self.slack
        mean = products.mean(-1, keepdim=True)
        d_multipliers, d_slack = self._solve(torch.zeros_like(products))
        length = self._to_boundary(d_multipliers, d_slack)
        reached = (self.multipliers + length * d_multipliers) * (self.slack + length * d_slack)
        centring = (reached.mean(-1, keepdim=True) / mean).clamp_min(0) ** 3
        # The correction is for a full predicted step; after a short one it would mislead.
        bend = length**2 * d_multipliers * d_slack
        d_multipliers, d_slack = self._solve(centring * mean - bend)
        length = _OF_THE_WAY * self._to_boundary(d_multipliers, d_slack)
        d_dual = self.A.pull(d_multipliers)
        d_w = self.flex * d_dual + self.miss
        return self._near_mirror(length, d_w, d_dual, leash), (d_w, d_multipliers, d_slack)

    def _solve(self, products: Tensor) -> tuple[Tensor, Tensor]:
        """The steps that would bring the products of multiplier and slack to those given."""
        offset = products / self.multipliers - self.slack
        right = (self.shortfall + offset)[..., None]
        d_multipliers = torch.cholesky_solve(right, self.factor)[..., 0]
        return d_multipliers, offset - self.slack / self.multipliers * d_multipliers

    def _to_boundary(self, d_multipliers: Tensor, d_slack: Tensor) -> Tensor:
        """The longest step up to 1 that keeps multipliers and slacks nonnegative."""
        ratio = torch.cat((-d_multipliers / self.multipliers, -d_slack / self.slack), -1)
        return 1 / ratio.amax(-1, keepdim=True).clamp_min(1)

    def _near_mirror(self, length: Tensor, d_w: Tensor, d_dual: Tensor, leash: float) -> Tensor:
        """Shorten the step until w stays near the mirror image of the multipliers."""
        psi = self.psi
        left = (self.multipliers * self.slack).sum(-1, True) / self.multipliers.sum(-1, True)
        limit = (leash * left).clamp(_CLOSE, _FARTHEST)
        limit = torch.maximum(limit, mirror_distance(psi, self.w, self.dual)[..., None])
        for _ in range(_TRIES):
            w, dual = self.w + length * d_w, self.dual + length * d_dual
            far = mirror_distance(psi, w, dual)[..., None] > limit
            if not far.any():
                break
            length = torch.where(far, _SHORTER * length, length)
        return length


def _linearised(
    psi: LpPotential, w: Tensor, dual: Tensor, damping: Tensor
) -> tuple[Tensor, Tensor]:
    """Return h and r such that dw = h d(dual) + r restores w = inverse(dual) to first order.

    The map is linearised on the side where it is smooth: inverse for p <= 2, mirror for p > 2.
    There entries of w near 0 have next to no curvature and would move without bound, hence the
    damping.
    """
    if psi.p <= 2:
        return LpPotential(psi.q).curvature(dual), psi.inverse(dual) - w
    curvature = psi.curvature(w)
    h = 1 / (curvature + damping * curvature.amax(-1, keepdim=True))
    return h, h * (dual - psi.mirror(w))


def _adapt(damping: Tensor, length: Tensor) -> Tensor:
    """Damp more after a short step, less after a long one."""
    factor = torch.where(length < _SHORT, 10.0, torch.where(length > _LONG, 0.1, 1.0))
    return (factor * damping).clamp(_LEAST_DAMPING, _MOST_DAMPING)

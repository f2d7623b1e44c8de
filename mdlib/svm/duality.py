r"""Weak duality for the l_p margin problem: how far a solution can be from the best.

Any weights whose margins reach b have norm at least

.. math:: \frac{\langle b, \lambda\rangle}{\|A^\top\lambda\|_q} \quad\text{for all } \lambda \ge 0,

since :math:`\langle b, \lambda\rangle \le \langle A w, \lambda\rangle
= \langle w, A^\top\lambda\rangle \le \|w\|_p \|A^\top\lambda\|_q`. So weights and multipliers
bound the optimum from both sides.
"""

from __future__ import annotations

import torch
from torch import Tensor

from mdlib.geometry.potentials import LpPotential
from mdlib.svm.constraints import Constraints


def lower_bound(A: Constraints, psi: LpPotential, multipliers: Tensor) -> Tensor:
    """Return the norm that no feasible weights go below, (...)."""
    used = multipliers * A.bound.clamp_min(0)
    return used.sum(-1) / psi.dual_norm(A.pull(multipliers), dim=-1)


def relative_gap(
    A: Constraints, psi: LpPotential, w: Tensor, multipliers: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the relative gap of w scaled to margin 1, infinite if it cannot be, and the bound."""
    margins = A.margins(w)
    smallest = A.reach(margins)
    # A constraint with b = 0 does not scale: what it lacks counts as a gap of its own.
    lacking = (-margins.masked_fill(A.bound != 0, torch.inf).amin(-1)).clamp_min(0)
    bound = lower_bound(A, psi, multipliers)
    gap = torch.maximum(1 - bound * smallest / psi.norm(w, dim=-1), lacking / smallest)
    return torch.where(smallest > 0, gap, torch.inf), bound


def scale_to_optimum(A: Constraints, psi: LpPotential, multipliers: Tensor) -> Tensor:
    """Scale multipliers so that <b, lambda> = ||A' lambda||_q^q, as at the optimum."""
    total = (multipliers * A.bound.clamp_min(0)).sum(-1, keepdim=True)
    norm = psi.dual_norm(A.pull(multipliers), dim=-1, keepdim=True)
    # t^(q-1) = total / norm^q, taken apart so that the power cannot overflow; 1/(q-1) = p - 1.
    factor = (total / norm) ** (psi.p - 1) / norm
    usable = factor.isfinite() & (factor > 0)  # not where A' lambda = 0: that proves infeasibility
    return multipliers * torch.where(usable, factor, 1.0)


def mirror_distance(psi: LpPotential, w: Tensor, dual: Tensor) -> Tensor:
    """Return how far w is from inverse(dual), relative, where the map between them is smooth.

    For p <= 2 the distance of w from inverse(dual) in the l_p norm; for p > 2 that of mirror(w)
    from the dual in the l_q norm. The other map is infinitely steep at 0.
    """
    if psi.p <= 2:
        image = psi.inverse(dual)
        return psi.norm(image - w, dim=-1) / psi.norm(image, dim=-1)
    return psi.dual_norm(psi.mirror(w) - dual, dim=-1) / psi.dual_norm(dual, dim=-1)

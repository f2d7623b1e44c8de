r"""How the solution moves with the rows: the implicit function theorem on the support.

As long as the same constraints bind, weights and multipliers solve

.. math:: \nabla\psi(w) = A^\top\lambda, \qquad A w = b

with the rows of A that bind. Differentiated, with :math:`H = \nabla^2\psi(w)`,

.. math:: H\,dw - A^\top d\lambda = dA^\top \lambda, \qquad A\,dw = -dA\,w .

A gradient goes through the transposed system. Where a constraint binds with multiplier 0, or the
rows that bind depend on each other, the solution has a kink, and this is one of its slopes.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mdlib.geometry.potentials import LpPotential

_PULLS = 1e-7  # of the largest multiplier: what a constraint that binds has at least
_STEPS = 4  # of Newton's method: from a relative gap of 1e-12 two suffice, but for entries near 0
_FLAT = 1e-10  # of the largest curvature: for p > 2 an entry at 0 has none and is held by A alone


class Implicit(torch.autograd.Function):
    """Weights (B, D) and multipliers (B, m) of rows x (B, n, R, d) and z (B, n, k)."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, z: Tensor, bound: Tensor, w: Tensor, multipliers: Tensor, p: float
    ) -> tuple[Tensor, Tensor]:
        """Return weights and multipliers as they were found."""
        ctx.save_for_backward(x, z, bound, w, multipliers)
        ctx.p = p
        return w.clone(), multipliers.clone()

    @staticmethod
    def backward(
        ctx: Any, grad_w: Tensor, grad_multipliers: Tensor
    ) -> tuple[Tensor, Tensor, None, None, None, None]:
        """Return the gradients in x and z."""
        x, z, bound, w, multipliers = ctx.saved_tensors
        each = zip(x, z, bound, w, multipliers, grad_w, grad_multipliers, strict=True)
        grads = [_one(ctx.p, *parts) for parts in each]
        grad_x, grad_z = (torch.stack(part) for part in zip(*grads, strict=True))
        return grad_x, grad_z, None, None, None, None


def _one(
    p: float, x: Tensor, z: Tensor, bound: Tensor, w: Tensor, multipliers: Tensor, grad_w: Tensor,
    grad_m: Tensor,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The gradients of one problem: H a + A'c = grad_w and -A a = grad_m, then lambda a' - c w'."""
    (n, R, d), k = x.shape, z.shape[1]
    support = (multipliers > _PULLS * multipliers.max()).nonzero()[:, 0]
    owner, rows = support // R, x.reshape(n * R, d)[support]
    A = (rows[:, :, None] * z[owner][:, None, :]).flatten(1)
    w, pulls = _polished(A, bound[support], w, multipliers[support], p)
    flex = _flexibility(w, p)
    c = _solve(A, flex, A @ (flex * grad_w) + grad_m[support])
    a = flex * (grad_w - A.T @ c)
    slope = (pulls[:, None] * a - c[:, None] * w).reshape(-1, d, k)  # in the rows of A
    grad_x = torch.zeros_like(x).reshape(n * R, d)
    grad_x[support] = (slope @ z[owner][..., None])[..., 0]
    grad_z = torch.zeros_like(z).index_add(0, owner, (rows[:, None] @ slope)[:, 0])
    return grad_x.reshape(x.shape), grad_z


def _polished(
    A: Tensor, b: Tensor, w: Tensor, multipliers: Tensor, p: float
) -> tuple[Tensor, Tensor]:
    """Take Newton steps on the equations above: the curvature needs w in its small entries too."""
    psi = LpPotential(p)
    for _ in range(_STEPS):
        if p <= 2:  # the smooth side of the map is eliminated, as everywhere
            w = psi.inverse(A.T @ multipliers)
        flex, miss = _flexibility(w, p), A.T @ multipliers - psi.mirror(w)
        step = _solve(A, flex, b - A @ (w + flex * miss))
        multipliers, w = multipliers + step, w + flex * (A.T @ step + miss)
    return w, multipliers


def _solve(A: Tensor, flex: Tensor, right: Tensor) -> Tensor:
    """Solve A diag(flex) A' c = right, also where rows depend on each other."""
    M = (A * flex) @ A.T
    size = M.diagonal().rsqrt()  # so that no unit of a row counts
    inverse = torch.linalg.pinv(size[:, None] * M * size, hermitian=True)
    solution: Tensor = size * (inverse @ (size * right))
    return solution


def _flexibility(w: Tensor, p: float) -> Tensor:
    """The reciprocal of the curvature of psi."""
    if p <= 2:
        return w.abs().pow(2 - p) / (p - 1)
    curvature = LpPotential(p).curvature(w)
    return 1 / (curvature + _FLAT * curvature.max())

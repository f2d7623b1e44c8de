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
_WHOLE = 4000  # unknowns up to which the whole system is solved
_FLAT = 1e-10  # of the largest curvature


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
        tensors = x, z, bound, w, multipliers, grad_w, grad_multipliers
        each = zip(*(tensor.cpu() for tensor in tensors), strict=True)  # where the solver works too
        grads = [_one(ctx.p, *parts) for parts in each]
        grad_x, grad_z = (torch.stack(part).to(x.device) for part in zip(*grads, strict=True))
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
    a, c = _solve(A, w, p, grad_w, -grad_m[support])
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
        dw, back = _solve(A, w, p, A.T @ multipliers - psi.mirror(w), b - A @ w)
        w, multipliers = w + dw, multipliers - back
    return w, multipliers


def _solve(A: Tensor, w: Tensor, p: float, r_w: Tensor, r_m: Tensor) -> tuple[Tensor, Tensor]:
    """Solve H a + A'c = r_w and A a = r_m, also where rows depend on each other.

    For p > 2 an entry at 0 has no curvature: it is held by A alone, and only the whole system
    knows. Where that is too large, the entry gets a little curvature.
    """
    curvature = LpPotential(p).curvature(w)
    m, D = A.shape
    if p > 2 and m + D <= _WHOLE:
        size, unit = A.norm(dim=1), curvature.max().sqrt()  # so that no unit of a row counts
        rows = A / size[:, None]
        whole = torch.zeros(D + m, D + m, dtype=A.dtype, device=A.device)
        whole[:D, :D], whole[:D, D:], whole[D:, :D] = (curvature / unit**2).diag(), rows.T, rows
        right = torch.cat((r_w / unit, r_m / size * unit))
        a, c = (
            torch.linalg.lstsq(whole, right[:, None], driver="gelsd").solution[:, 0].split([D, m])
        )
        return a / unit, c * unit / size
    flex = 1 / curvature if p <= 2 else 1 / (curvature + _FLAT * curvature.max())
    M = (A * flex) @ A.T
    size = M.diagonal().rsqrt()
    inverse = torch.linalg.pinv(size[:, None] * M * size, hermitian=True)
    c = size * (inverse @ (size * (A @ (flex * r_w) - r_m)))
    return flex * (r_w - A.T @ c), c

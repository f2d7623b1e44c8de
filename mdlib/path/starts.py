"""Starts of a path: its radii and efforts, checked, and the weights tried first at each radius."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mdlib.attention import MATRIX
from mdlib.geometry import LpPotential
from mdlib.path.ball import Ball

# Mirror steps of the start that is taught the optimal tokens; the race goes on from there, and on
# the paper's problems 2 and 200 lead to the same end.
_LESSONS = 20


def checked_radii(name: str, radii: Sequence[float] | Tensor) -> Tensor:
    """Return radii as a tensor; ValueError if they are not positive and increasing."""
    radii = torch.as_tensor(radii, dtype=torch.float64)
    grow = radii.ndim == 1 and len(radii) > 0 and radii[0] > 0 and (radii.diff() > 0).all()
    if not (grow and radii.isfinite().all()):
        raise ValueError(f"{name} must be positive and increasing, got {radii.tolist()}")
    return radii


def check_effort(starts: int, tol: float, **most: int) -> None:
    """Raise ValueError for a number of starts, a tolerance or a most of something out of range."""
    if starts < 0:
        raise ValueError(f"starts must be at least 0, got {starts}")
    if not tol > 0:
        raise ValueError(f"tol must be positive, got {tol}")
    for name, count in most.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")


def taught(ball: Ball) -> Tensor:
    """Projected mirror descent on the cross-entropy between attention and the optimal tokens.

    It is convex, so it comes near the attention that the risk wants at last, whatever the start.
    """
    problem, psi = ball.problem, ball.psi
    best = problem.optimal_tokens(ball.v)[..., None, None]
    wanted = problem.X.take_along_dim(best, -2)[..., 0, :]
    w = torch.zeros_like(wanted.mT @ problem.z)
    for k in range(_LESSONS):
        seen = problem.attention(ball.radius * w)[..., None, :] @ problem.X
        pull = (wanted - seen[..., 0, :]).mT @ problem.z
        size = psi.dual_norm(pull, dim=MATRIX, keepdim=True)
        step = torch.where(size == 0, 0.0, pull / size) / (1 + k) ** 0.5
        w = psi.inverse(psi.mirror(w) + step)
        w = w / psi.norm(w, dim=MATRIX, keepdim=True).clamp_min(1)
    return w


def random_directions(psi: LpPotential, starts: int, seed: int, like: Tensor) -> list[Tensor]:
    """Return points of the unit sphere (N, d, d), each the favourite of a random dual."""
    shape = starts, 1, *like.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    duals = torch.randn(shape, generator=generator, dtype=like.dtype).to(like)
    return list(on_sphere(psi, psi.inverse(duals)).expand(starts, *like.shape))


def on_sphere(psi: LpPotential, w: Tensor) -> Tensor:
    """Scale each w (N, rows, d) to norm 1; 0 stays 0."""
    norm = psi.norm(w, dim=MATRIX, keepdim=True)
    return w / torch.where(norm == 0, 1.0, norm)

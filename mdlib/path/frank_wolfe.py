r"""Frank-Wolfe with a memory: the least risk over an l_p ball, by the mirror map once more.

Let psi be the l_p potential and G the gradient of the risk at W, :math:`\|W\|_p \le R`. The linear
minimisation oracle, the point of the ball that G likes best, makes Hoelder's inequality tight,

.. math::
    S = \arg\min_{\|S\|_p \le R} \langle G, S\rangle
      = R\,(\nabla\psi)^{-1}(-G / \|G\|_q),

because :math:`\langle y, (\nabla\psi)^{-1}(y)\rangle = \|(\nabla\psi)^{-1}(y)\|_p^p = \|y\|_q^q`.
On the sphere W is stationary iff W = S. The search moves weights towards S, where mirror descent
moves duals towards -G: for large p a small move of the dual is a large one of the weights.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

import torch
from torch import Tensor

from mdlib.geometry.potentials import LpPotential
from mdlib.path.ball import Ball, Point, dot

# Tried at a tenth and at ten times as much (where that makes sense) on the paper's problems and on
# harder ones: n = 12, d = 5, decoders five times as long, p from 1.05 to 8, radii up to 1e5. On the
# paper's all arrive at the same risk whatever is changed, with up to 15 % more or less work.
_MEMORY = 15  # steps; with 5, fewer of the hard ones arrive for p up to 4, with 45 more do
_FIRST = 0.5  # of the way to S, until a curvature is known; 0.05 and 1 cost 9 % more at most
_CONVEX = 1e-6  # the least relative curvature to learn from; 1e-7 and 1e-5 hardly differ
_BACK = 4  # by which a refused step is cut; 2 and 10 cost up to 13 % more
_LOST = 1e-5  # a step this short says that the memory misleads; 1e-6 as good, 1e-2 ends higher
_CAREFUL = 16  # by which the first guess shrinks then; 2 and 160 are as good
_SAME = 1e-9  # duals this close have a slope, no chord; 1e-10 and 1e-8 hardly differ
_LEAST_SLOPE = 1e-6  # keeps that slope finite at 0 for p > 2; no difference up to 1e-2
_ENOUGH = 1e-4  # of the fall that the slope promises: Armijo's rule, c_1 of Nocedal and Wright
_FLATTER = 0.8  # 1 - 2 delta of Hager and Zhang, who take delta = 0.1; 0.08 costs up to 7 % more
_ROUNDING = 1e-14  # relative, 45 ulp: what two values may differ by for no reason


class Search(Protocol):
    """How a ball is searched: it proposes points, and learns what became of them.

    All is in rows, one problem each; the points lie in the unit ball.
    """

    def __init__(self, psi: LpPotential, a: Point) -> None: ...

    def propose(self, a: Point) -> Tensor:
        """Return the next points (N, rows, d), yet to be projected."""

    def learn(self, a: Point, b: Point, ok: Tensor) -> None:
        """Take in that the proposals made at a are b, and which of them are accepted."""

    def keep(self, rows: Tensor) -> None:
        """Forget the other rows."""


class FrankWolfe:
    """Frank-Wolfe directions S - w, turned by what the last steps taught (L-BFGS).

    The inverse map's slope between y and the pull, entry by entry, leads from the Lagrangian's
    gradient, push * y - pull, to w - S. L-BFGS takes it as the first guess of the inverse Hessian.
    """

    def __init__(self, psi: LpPotential, a: Point) -> None:
        self.psi = psi
        self.scale, self.step = torch.full_like(a.value, _FIRST), torch.ones_like(a.value)
        self.memory: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=_MEMORY)
        self.direction = torch.zeros_like(a.w)
        self._aim(a, torch.ones_like(a.active))

    def propose(self, a: Point) -> Tensor:
        """Return the next points, yet to be projected."""
        return a.w + self.step * self.direction

    def learn(self, a: Point, b: Point, ok: Tensor) -> None:
        """Take in that the proposals made at a are b, and which of them are accepted."""
        s, z = b.w - a.w, change(a, b)
        curvature = dot(s, z)
        convex = ok & (curvature > _CONVEX * dot(s, b.y - a.y)) & (curvature > 0)
        self.memory.append((s, z, torch.where(convex, 1 / curvature, 0.0)))
        secant = curvature / dot(z, self.slope * z)
        self.scale = torch.where(convex, secant, self.scale)
        self.step = torch.where(ok, 1.0, self.step / _BACK)
        lost = self.step < _LOST
        if lost.any():  # the memory misleads: forget it, and be more careful
            self.step = torch.where(lost, 1.0, self.step)
            self.scale = torch.where(lost, self.scale / _CAREFUL, self.scale)
            for k, (s, z, weight) in enumerate(self.memory):
                self.memory[k] = s, z, torch.where(lost, 0.0, weight)
        self._aim(_choose(ok, b, a), ok | lost)

    def keep(self, rows: Tensor) -> None:
        """Forget the other rows."""
        for name in ("scale", "step", "direction", "slope"):
            setattr(self, name, getattr(self, name)[rows])
        for k, pair in enumerate(self.memory):
            self.memory[k] = pair[0][rows], pair[1][rows], pair[2][rows]

    def _aim(self, a: Point, where: Tensor) -> None:
        liked = self.psi.inverse(a.pull)
        lead = a.pull - a.y
        near = lead.abs() < _SAME
        chord = ((liked - a.w) / torch.where(near, 1.0, lead)).clamp_min(0)
        self.slope = torch.where(near, 1 / self.psi.curvature(a.w).clamp_min(_LEAST_SLOPE), chord)
        direction = -self._inverse_hessian(a.push * a.y - a.pull)
        along = torch.where(a.push > 0, dot(a.y, direction), 0.0)
        direction = direction - along * a.w  # tangent to the sphere, which then rescaling keeps
        uphill = dot(a.pull, direction) <= 0
        plain = self.scale.clamp(max=1) * (liked - a.w)
        direction = torch.where(uphill, plain, direction)
        self.direction = torch.where(where, direction, self.direction)

    def _inverse_hessian(self, g: Tensor) -> Tensor:
        """The two-loop recursion of L-BFGS (Nocedal and Wright 2006, algorithm 7.4)."""
        weights = []
        for s, z, weight in reversed(self.memory):
            weights.append(weight * dot(s, g))
            g = g - weights[-1] * z
        g = self.scale * self.slope * g
        for (s, z, weight), alpha in zip(self.memory, reversed(weights), strict=True):
            g = g + s * (alpha - weight * dot(z, g))
        return g


def minimise(
    ball: Ball, w: Tensor, tol: float, steps: int, search: type[Search] = FrankWolfe
) -> Tensor:
    """Descend from w (N, d, d) until each row's residual is at most tol, or for so many steps.

    The objective never rises. A row that has arrived stands still, and once half of them have the
    others go on without them, so one row's result does not depend on its neighbours.
    """
    end, rows = w.clone(), torch.arange(len(w), device=w.device)
    a = ball.at(w)
    route = search(ball.psi, a)
    for _ in range(steps):
        live = a.residual > tol
        if 2 * live.sum() <= len(live):
            end[rows] = a.w
            rows, a = rows[live], Point(*(x[live] for x in a))
            if not len(rows):
                break
            ball = ball.rows(live)
            route.keep(live)
            live = live[live]
        b = ball.at(route.propose(a))
        ok = _accepted(a, b, ball.radius) & live[:, None, None]
        route.learn(a, b, ok)
        a = _choose(ok, b, a)
    end[rows] = a.w
    return end


def _accepted(a: Point, b: Point, radius: float) -> Tensor:
    """Whether b is enough lower than a; where rounding hides that, the slopes at a and b decide.

    The second rule is the approximate Wolfe condition of Hager and Zhang (2005).
    """
    s = b.w - a.w
    enough = b.value <= a.value - _ENOUGH * a.log_slope.exp() * dot(a.pull, s).clamp_min(0)
    fall_a, fall_b = (dot(x.pull - x.push * x.y, s) for x in (a, b))
    flatter = (fall_a > 0) & (fall_b >= -_FLATTER * fall_a)
    hidden = (b.value - a.value).abs() <= _ROUNDING * (radius + a.value.abs())
    return torch.where(hidden, flatter, enough)


def change(a: Point, b: Point) -> Tensor:
    """Return the change of the Lagrangian's gradient from a to b, each gradient over its own norm.

    On the sphere only directions matter. The norms agree there nearly, as befits a logarithm;
    where they differ by orders of magnitude, at a poor local optimum of a large ball, directions
    still tell the curvature.
    """
    return b.push * (b.y - a.y) - (b.pull - a.pull)


def _choose(ok: Tensor, b: Point, a: Point) -> Point:
    return Point(*(torch.where(ok, new, old) for new, old in zip(b, a, strict=True)))

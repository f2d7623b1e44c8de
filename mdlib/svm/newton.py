r"""The linear system of one Newton step, factorised on its small side: m rows or d k weights.

The unknowns are the steps of w, of the multipliers :math:`\lambda`, of :math:`\nu` and of t:

.. math::
    H\, dw - A^\top d\lambda - H g\, d\nu &= r_w, &\qquad
    A\, dw + \Theta^{-1} d\lambda - b\, dt &= r_\lambda, \\
    -(H g)^\top dw + \delta\, d\nu &= r_\nu, &
    b^\top d\lambda &= r_t,

with diagonal H and :math:`\Theta = \lambda / s`. Eliminating dw leaves
:math:`A H^{-1} A^\top + \Theta^{-1}`, (m, m); eliminating :math:`d\lambda` leaves
:math:`H + A^\top \Theta A`, (d k, d k). Both are factorised as they are, however the columns and
rows are scaled: Cholesky's error does not depend on it. Where both are too large, the first is
solved by conjugate gradients, with its blocks within an input as preconditioner.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdlib.svm.arrays import Array
from mdlib.svm.compiled import compiled, copy, dot, inlined, norm, over, times
from mdlib.svm.inverse import CLOSE, FREE, ROUGH, ROWS, WEIGHTS, blocks, cholesky, invert
from mdlib.svm.rows import Rows, among_rows, among_weights, margins, pull

_EXACT = 1e-13  # of the right sides: what a solution misses by rounding alone


class System(NamedTuple):
    """A factorised Newton system; ``u`` and ``v`` are its border, ``iu`` and ``iv`` solved for."""

    side: int
    H: Array  # (D,)
    g: Array
    theta: Array  # (m,)
    slope: float
    L: Array  # or one block after the other
    u: Array
    v: Array
    iu: Array
    iv: Array
    corner: Array  # (2, 2)


@inlined
def factorise(
    A: Rows, side: int, gram: Array, H: Array, g: Array, theta: Array, slope: float
) -> System:
    """Factorise; ``gram`` is A A' where H is 1 (p = 2), else empty."""
    m, D = len(theta), len(H)
    corner = np.empty((2, 2))
    if side != WEIGHTS:
        M = np.empty((m, m)) if side == ROWS else np.empty((0, 0))
        if side == ROWS and not len(gram):
            among_rows(A, over(H), M)
        for i in range(len(gram)):
            for j in range(i + 1):
                M[i, j] = gram[i, j]
        for i in range(len(M)):
            M[i, i] += 1 / theta[i]
        u, v = np.empty(m), A.bound
        margins(A, g, u)
        corner[0, 0] = slope - dot(g, times(H, g))
        corner[1, 1] = 0.0
    else:
        M = np.empty((D, D))
        among_weights(A, theta, M)
        for j in range(D):
            M[j, j] += H[j]
        u, v = times(H, g), np.empty(D)
        weighted = times(theta, A.bound)
        pull(A, weighted, v)
        corner[0, 0] = slope
        corner[1, 1] = dot(weighted, A.bound)
    L = blocks(A, H, theta) if side == FREE else cholesky(M)
    iu, iv = copy(u, np.empty(len(u))), copy(v, np.empty(len(v)))
    if len(L):
        if dot(u, u) > 0:  # not where p = 2
            invert(A, side, L, H, theta, ROUGH, iu)
        invert(A, side, L, H, theta, ROUGH, iv)
    sign = -1.0 if side == WEIGHTS else 1.0
    corner[0, 0] += sign * dot(u, iu)
    corner[1, 1] += sign * dot(v, iv)
    corner[0, 1], corner[1, 0] = -dot(u, iv), -dot(v, iu)
    return System(side, H, g, theta, slope, L, u, v, iu, iv, corner)


@compiled
def _once(
    A: Rows, S: System, r_w: Array, r_m: Array, r_nu: float, r_t: float, dw: Array, dm: Array
) -> tuple[float, float]:
    """Solve the system as well as its factor allows."""
    if S.side != WEIGHTS:
        margins(A, times(r_w, over(S.H)), dm)
        for i in range(len(dm)):
            dm[i] = r_m[i] - dm[i]
        invert(A, S.side, S.L, S.H, S.theta, CLOSE, dm)
        k1, k2 = r_nu + dot(S.g, r_w) + dot(S.u, dm), r_t - dot(S.v, dm)
    else:
        pull(A, times(S.theta, r_m), dw)
        for j in range(len(dw)):
            dw[j] += r_w[j]
        invert(A, S.side, S.L, S.H, S.theta, CLOSE, dw)
        k1, k2 = r_nu + dot(S.u, dw), r_t - dot(A.bound, times(S.theta, r_m)) + dot(S.v, dw)
    K = S.corner
    det = K[0, 0] * K[1, 1] - K[0, 1] * K[1, 0]
    dnu, dt = (K[1, 1] * k1 - K[0, 1] * k2) / det, (K[0, 0] * k2 - K[1, 0] * k1) / det
    if S.side != WEIGHTS:
        for i in range(len(dm)):
            dm[i] += S.iv[i] * dt - S.iu[i] * dnu
        pull(A, dm, dw)
        for j in range(len(dw)):
            dw[j] = (r_w[j] + dw[j]) / S.H[j] + S.g[j] * dnu
    else:
        for j in range(len(dw)):
            dw[j] += S.iu[j] * dnu + S.iv[j] * dt
        margins(A, dw, dm)
        for i in range(len(dm)):
            dm[i] = S.theta[i] * (r_m[i] - dm[i] + A.bound[i] * dt)
    return dnu, dt


@inlined
def solve(
    A: Rows,
    S: System,
    r_w: Array,
    r_m: Array,
    r_nu: float,
    r_t: float,
    closely: bool,
    dw: Array,
    dm: Array,
) -> tuple[float, float]:
    """Solve the system; if ``closely``, correct the solution once: M may be nearly singular."""
    more_w, more_m = dw, dm
    dnu = dt = 0.0
    for again in range(2 if closely and S.side != FREE else 1):
        if again:
            more_w, more_m = np.empty(len(dw)), np.empty(len(dm))
            e_w, e_m = np.empty(len(dw)), np.empty(len(dm))
            pull(A, dm, e_w)
            margins(A, dw, e_m)
            r_nu += dot(times(S.H, S.g), dw) - S.slope * dnu
            r_t -= dot(A.bound, dm)
            for j in range(len(dw)):
                e_w[j] += r_w[j] - S.H[j] * (dw[j] - S.g[j] * dnu)
            for i in range(len(dm)):
                e_m[i] = r_m[i] - e_m[i] - dm[i] / S.theta[i] + A.bound[i] * dt
            if norm(e_m, np.inf) <= _EXACT * norm(r_m, np.inf) and norm(
                e_w, np.inf
            ) <= _EXACT * norm(r_w, np.inf):
                break
            r_w, r_m = e_w, e_m
        more_nu, more_t = _once(A, S, r_w, r_m, r_nu, r_t, more_w, more_m)
        dnu += more_nu
        dt += more_t
        if again:
            for j in range(len(dw)):
                dw[j] += more_w[j]
            for i in range(len(dm)):
                dm[i] += more_m[i]
    return dnu, dt

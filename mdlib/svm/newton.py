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
rows are scaled: Cholesky's error does not depend on it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdlib.svm.rows import Array, Rows, among_rows, among_weights, compiled, margins, pull


class System(NamedTuple):
    """A factorised Newton system; ``u`` and ``v`` are its border, ``iu`` and ``iv`` solved for."""

    on_rows: bool
    H: Array  # (D,)
    g: Array
    theta: Array  # (m,)
    slope: float
    L: Array
    u: Array
    v: Array
    iu: Array
    iv: Array
    corner: Array  # (2, 2)


@compiled
def dot(a: Array, b: Array) -> float:
    """The inner product."""
    total = 0.0
    for i in range(len(a)):
        total += a[i] * b[i]
    return total


@compiled
def times(a: Array, b: Array) -> Array:
    """The entrywise product."""
    out = np.empty(len(a))
    for i in range(len(a)):
        out[i] = a[i] * b[i]
    return out


@compiled
def over(a: Array) -> Array:
    """The entrywise reciprocal."""
    out = np.empty(len(a))
    for i in range(len(a)):
        out[i] = 1 / a[i]
    return out


@compiled
def copy(a: Array) -> Array:
    """A copy."""
    out = np.empty(len(a))
    for i in range(len(a)):
        out[i] = a[i]
    return out


@compiled
def cholesky(M: Array) -> Array:
    """L with L L' = M; a little is added to the diagonal of a matrix that is singular by rounding.

    Empty if that does not help.
    """
    diagonal = np.empty(len(M))
    for i in range(len(M)):
        diagonal[i] = M[i, i]
    extra = 4e-16
    while extra < 1:
        for i in range(len(M)):
            M[i, i] = diagonal[i] * (1 + extra)
        try:
            return np.linalg.cholesky(M)
        except Exception:  # noqa: BLE001 - the only kind that numba knows
            extra *= 100
    return np.linalg.cholesky(np.zeros((0, 0)))


@compiled
def substitute(L: Array, x: Array) -> None:
    """X becomes (L L')^-1 x. The columns of L lie together."""
    size = len(x)
    for j in range(size):
        x[j] /= L[j, j]
        for i in range(j + 1, size):
            x[i] -= x[j] * L[i, j]
    for j in range(size - 1, -1, -1):
        total = x[j]
        for i in range(j + 1, size):
            total -= L[i, j] * x[i]
        x[j] = total / L[j, j]


@compiled
def factorise(
    A: Rows, on_rows: bool, gram: Array, H: Array, g: Array, theta: Array, slope: float
) -> System:
    """Factorise; ``gram`` is A A' where H is 1 (p = 2), else empty."""
    m, D = len(theta), len(H)
    corner = np.empty((2, 2))
    if on_rows:
        M = np.empty((m, m))
        if len(gram):
            for i in range(m):
                for j in range(i + 1):
                    M[i, j] = gram[i, j]
        else:
            among_rows(A, over(H), M)
        for i in range(m):
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
    L = cholesky(M)
    iu, iv = copy(u), copy(v)
    if len(L):
        substitute(L, iu)
        substitute(L, iv)
    sign = 1.0 if on_rows else -1.0
    corner[0, 0] += sign * dot(u, iu)
    corner[1, 1] += sign * dot(v, iv)
    corner[0, 1], corner[1, 0] = -dot(u, iv), -dot(v, iu)
    return System(on_rows, H, g, theta, slope, L, u, v, iu, iv, corner)


@compiled
def _once(
    A: Rows, S: System, r_w: Array, r_m: Array, r_nu: float, r_t: float, dw: Array, dm: Array
) -> tuple[float, float]:
    """Solve the system as well as its factor allows."""
    if S.on_rows:
        margins(A, times(r_w, over(S.H)), dm)
        for i in range(len(dm)):
            dm[i] = r_m[i] - dm[i]
        substitute(S.L, dm)
        k1, k2 = r_nu + dot(S.g, r_w) + dot(S.u, dm), r_t - dot(S.v, dm)
    else:
        pull(A, times(S.theta, r_m), dw)
        for j in range(len(dw)):
            dw[j] += r_w[j]
        substitute(S.L, dw)
        k1, k2 = r_nu + dot(S.u, dw), r_t - dot(A.bound, times(S.theta, r_m)) + dot(S.v, dw)
    K = S.corner
    det = K[0, 0] * K[1, 1] - K[0, 1] * K[1, 0]
    dnu, dt = (K[1, 1] * k1 - K[0, 1] * k2) / det, (K[0, 0] * k2 - K[1, 0] * k1) / det
    if S.on_rows:
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


@compiled
def solve(
    A: Rows, S: System, r_w: Array, r_m: Array, r_nu: float, r_t: float, closely: bool,
    dw: Array, dm: Array,
) -> tuple[float, float]:
    """Solve the system; if ``closely``, correct the solution once: M may be nearly singular."""
    more_w, more_m = dw, dm
    dnu = dt = 0.0
    for again in range(2 if closely else 1):
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

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

from mdlib.svm.rows import Array, Rows, among_rows, among_weights, compiled, margins, pull


ROWS, WEIGHTS, FREE = range(3)  # which matrix: on the rows, on the weights, or none at all

_CLOSE = 1e-3  # the residual of conjugate gradients; the equations missed by it are met next time
_TURNS = 300  # of conjugate gradients at most


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
def blocks(A: Rows, H: Array, theta: Array) -> Array:
    """The Cholesky factors of the blocks of the rows of each input, below each other, (m, most)."""
    most = 0
    for i in range(len(A.z)):
        most = max(most, A.first[i + 1] - A.first[i])
    d, k = A.x.shape[1], A.z.shape[1]
    L, between = np.zeros((len(theta), most)), np.empty(d)
    for i in range(len(A.z)):
        start, stop = A.first[i], A.first[i + 1]
        for a in range(d):
            between[a] = 0.0
            for c in range(k):
                between[a] += A.z[i, c] ** 2 / H[a * k + c]
        for r in range(start, stop):
            for o in range(start, r + 1):
                total = 1 / theta[r] if o == r else 0.0
                for a in range(d):
                    total += A.x[r, a] * between[a] * A.x[o, a]
                for e in range(o - start):
                    total -= L[r, e] * L[o, e]
                if o < r:
                    L[r, o - start] = total / L[o, o - start]
                else:
                    L[r, o - start] = np.sqrt(max(total, 1e-15 / theta[r]))
    return L


@compiled
def substitute_blocks(A: Rows, L: Array, x: Array) -> None:
    """X becomes the solution with the blocks alone."""
    for i in range(len(A.z)):
        start, stop = A.first[i], A.first[i + 1]
        for r in range(start, stop):
            for o in range(start, r):
                x[r] -= L[r, o - start] * x[o]
            x[r] /= L[r, r - start]
        for r in range(stop - 1, start - 1, -1):
            for o in range(r + 1, stop):
                x[r] -= L[o, r - start] * x[o]
            x[r] /= L[r, r - start]


@compiled
def invert(A: Rows, side: int, L: Array, H: Array, theta: Array, x: Array) -> None:
    """X becomes M^-1 x."""
    if side != FREE:
        substitute(L, x)
        return
    residual = copy(x)
    inner = copy(x)
    substitute_blocks(A, L, inner)
    direction, image, w = copy(inner), np.empty(len(x)), np.empty(len(H))
    for r in range(len(x)):
        x[r] = 0.0
    size = first = dot(residual, inner)
    turns = 0
    while size > _CLOSE**2 * first and turns < _TURNS:
        pull(A, direction, w)
        for j in range(len(w)):
            w[j] /= H[j]
        margins(A, w, image)
        for r in range(len(x)):
            image[r] += direction[r] / theta[r]
        length = size / dot(direction, image)
        for r in range(len(x)):
            x[r] += length * direction[r]
            residual[r] -= length * image[r]
            inner[r] = residual[r]
        substitute_blocks(A, L, inner)
        before, size = size, dot(residual, inner)
        for r in range(len(x)):
            direction[r] = inner[r] + size / before * direction[r]
        turns += 1


@compiled
def factorise(
    A: Rows, side: int, gram: Array, H: Array, g: Array, theta: Array, slope: float
) -> System:
    """Factorise; ``gram`` is A A' where H is 1 (p = 2), else empty."""
    m, D = len(theta), len(H)
    corner = np.empty((2, 2))
    if side != WEIGHTS:
        M = np.empty((m, m)) if side == ROWS else np.empty((0, 0))
        if side == FREE:
            pass
        elif len(gram):
            for i in range(m):
                for j in range(i + 1):
                    M[i, j] = gram[i, j]
        else:
            among_rows(A, over(H), M)
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
    iu, iv = copy(u), copy(v)
    if len(L):
        if dot(u, u) > 0:  # not where p = 2
            invert(A, side, L, H, theta, iu)
        invert(A, side, L, H, theta, iv)
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
        invert(A, S.side, S.L, S.H, S.theta, dm)
        k1, k2 = r_nu + dot(S.g, r_w) + dot(S.u, dm), r_t - dot(S.v, dm)
    else:
        pull(A, times(S.theta, r_m), dw)
        for j in range(len(dw)):
            dw[j] += r_w[j]
        invert(A, S.side, S.L, S.H, S.theta, dw)
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


@compiled
def solve(
    A: Rows, S: System, r_w: Array, r_m: Array, r_nu: float, r_t: float, closely: bool,
    dw: Array, dm: Array,
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

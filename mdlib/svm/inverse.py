"""The inverse of the matrix of a Newton step: by Cholesky, or by conjugate gradients without it."""

from __future__ import annotations

import numpy as np

from mdlib.svm.arrays import Array
from mdlib.svm.compiled import compiled, copy, dot
from mdlib.svm.rows import Rows, margins, pull

ROWS, WEIGHTS, FREE = range(3)  # which matrix: on the rows, on the weights, or none at all

CLOSE, ROUGH = 1e-3, 1e-1  # residuals of conjugate gradients: what is missed is met next time
_TURNS = 300  # of conjugate gradients at most


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
            return np.linalg.cholesky(M)  # type: ignore[return-value]
        except Exception:  # numba knows no other kind
            extra *= 100
    return np.zeros((0, 0)).T


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
def invert(A: Rows, side: int, L: Array, H: Array, theta: Array, close: float, x: Array) -> None:
    """X becomes M^-1 x, up to a residual ``close`` where M is not factorised."""
    if side != FREE:
        substitute(L, x)
        return
    residual = copy(x, np.empty(len(x)))
    inner = copy(x, np.empty(len(x)))
    substitute_blocks(A, L, inner)
    direction, image, w = copy(inner, np.empty(len(x))), np.empty(len(x)), np.empty(len(H))
    for r in range(len(x)):
        x[r] = 0.0
    size = first = dot(residual, inner)
    turns = 0
    while size > close**2 * first and turns < _TURNS:
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

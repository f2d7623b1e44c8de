r"""The rows of one margin problem, compiled: their products with weights and multipliers.

Row r is the outer product :math:`x_r z_{o(r)}^\top` of a difference of tokens and the query of the
input o(r) that owns it, so that its margin is :math:`x_r^\top W z_{o(r)}`. The matrix of all rows,
(m, d k), is never formed. A classifier is the case of one input with the query 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mdlib.svm.arrays import Array, Index
from mdlib.svm.compiled import callable_from_python, norm


class Rows(NamedTuple):
    """m rows of n inputs, those of an input together: first[i] to first[i + 1]."""

    x: Array  # (m, d)
    z: Array  # (n, k)
    bound: Array  # (m,), from 0 to 1
    first: Index  # (n + 1,)
    owner: Index  # (m,)


@callable_from_python
def margins(A: Rows, w: Array, out: Array) -> None:
    """out_r = x_r . W z_o(r), with w the entries of W."""
    d, k = A.x.shape[1], A.z.shape[1]
    W = np.empty((k, d))
    for a in range(d):
        for c in range(k):
            W[c, a] = w[a * k + c]
    image = np.dot(A.z, W)
    for r in range(len(out)):
        total, i = 0.0, A.owner[r]
        for a in range(d):
            total += A.x[r, a] * image[i, a]
        out[r] = total


@callable_from_python
def pull(A: Rows, multipliers: Array, out: Array) -> None:
    """Out = sum_r multiplier_r x_r z_o(r)', as entries of a weight."""
    d = A.x.shape[1]
    tokens, own = np.empty((d, len(A.z))), np.empty(d)
    for i in range(len(A.z)):
        for a in range(d):
            own[a] = 0.0
        for r in range(A.first[i], A.first[i + 1]):
            for a in range(d):
                own[a] += multipliers[r] * A.x[r, a]
        for a in range(d):
            tokens[a, i] = own[a]
    product = np.dot(tokens, A.z)
    for a in range(d):
        for c in range(A.z.shape[1]):
            out[a * A.z.shape[1] + c] = product[a, c]


@callable_from_python
def among_rows(A: Rows, h: Array, out: Array) -> None:
    """Out = A diag(h) A', (m, m), of which the lower triangle is filled."""
    (n, k), d = A.z.shape, A.x.shape[1]
    scaled = np.empty((k, d))
    for i in range(n):
        start, stop = A.first[i], A.first[i + 1]
        if start == stop:
            continue
        for a in range(d):
            for c in range(k):
                scaled[c, a] = h[a * k + c] * A.z[i, c]
        between = np.dot(A.z[: i + 1], scaled)  # how row a of W ties input i to each before it
        others = np.empty((d, stop))
        for r in range(stop):
            for a in range(d):
                others[a, r] = A.x[r, a] * between[A.owner[r], a]
        product = np.dot(A.x[start:stop], others)
        for r in range(start, stop):
            for b in range(r + 1):
                out[r, b] = product[r - start, b]


@callable_from_python
def among_weights(A: Rows, theta: Array, out: Array) -> None:
    """Out = A' diag(theta) A, (d k, d k)."""
    (n, k), d = A.z.shape, A.x.shape[1]
    tokens, queries = np.empty((d * d, n)), np.empty((n, k * k))
    for i in range(n):
        start, stop = A.first[i], A.first[i + 1]
        scaled = np.empty((d, stop - start))
        for r in range(start, stop):
            for a in range(d):
                scaled[a, r - start] = theta[r] * A.x[r, a]
        product = np.dot(scaled, A.x[start:stop])
        for a in range(d):
            for b in range(d):
                tokens[a * d + b, i] = product[a, b]
        for c in range(k):
            for e in range(k):
                queries[i, c * k + e] = A.z[i, c] * A.z[i, e]
    product = np.dot(tokens, queries)
    for a in range(d):
        for b in range(d):
            for c in range(k):
                for e in range(k):
                    out[a * k + c, b * k + e] = product[a * d + b, c * k + e]


@callable_from_python
def rows_of(x: Array, z: Array, bound: Array) -> tuple[Rows, Index]:
    """Leave out rows that ask for nothing, and scale: the largest entry and bound become 1.

    Also returns which rows are kept.
    """
    n, R, d = x.shape
    kept, first = np.empty(n * R, np.int64), np.zeros(n + 1, np.int64)
    m = 0
    for i in range(n):
        for r in range(R):
            if bound[i * R + r] >= 0 and norm(x[i, r], np.inf) > 0 and norm(z[i], np.inf) > 0:
                kept[m] = i * R + r
                m += 1
        first[i + 1] = m
    rows, required, owner = np.empty((m, d)), np.empty(m), np.empty(m, np.int64)
    scale = most = 0.0
    for r in range(m):
        owner[r] = kept[r] // R
        scale = max(scale, norm(x[owner[r], kept[r] % R], np.inf))
        most = max(most, bound[kept[r]])
    for r in range(m):
        required[r] = bound[kept[r]] / most
        for a in range(d):
            rows[r, a] = x[owner[r], kept[r] % R, a] / scale
    queries, largest = np.empty(z.shape), 0.0
    for i in range(n):
        largest = max(largest, norm(z[i], np.inf))
    for i in range(n):
        for c in range(z.shape[1]):
            queries[i, c] = z[i, c] / largest
    return Rows(rows, queries, required, first, owner), kept[:m]

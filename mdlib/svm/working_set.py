"""The working set: of many rows, those that are near to binding.

A factorisation costs the cube of the number of rows, and of the rows of an attention SVM a third
bind. The others only have to be looked at.
"""

from __future__ import annotations

import numpy as np

from mdlib.svm.arrays import Array, Flags
from mdlib.svm.compiled import compiled, copy, dot, norm
from mdlib.svm.corrector import LITTLE, Point
from mdlib.svm.inverse import WEIGHTS
from mdlib.svm.rows import Rows, margins, pull

_FEW = 96  # rows that are all worked on; a factorisation of so few costs no more than the rest
_NEAR = 0.03  # of the margin: slack of a row that joins those that are worked on
_FAR, _IDLE = 0.3, 1e-3  # of the margin, and of the mean multiplier: a row that may leave
_WORTH = 1 / 8  # of the rows: how many must be about to leave
_ROOM = 0.5  # of the mean slack: what a new row has at least, so that it does not hold up a step


@compiled
def first_set(A: Rows, side: int, w: Array) -> Flags:
    """The half of the rows that equal multipliers leave with the least margins; all, if few."""
    m = len(A.bound)
    inside, achieved = np.ones(m, np.bool_), np.empty(m)
    if side == WEIGHTS or m <= _FEW:
        return inside
    pull(A, np.ones(m), w)
    margins(A, w, achieved)
    high = norm(achieved, np.inf)
    low = -high
    for _ in range(20):  # bisect the margin up to which half of the rows lie
        middle, below = (low + high) / 2, 0
        for r in range(m):
            below += achieved[r] < middle
        if below < max(_FEW, m // 2):
            low = middle
        else:
            high = middle
    for r in range(m):
        inside[r] = achieved[r] < high or A.bound[r] <= LITTLE
    return inside


@compiled
def revised(A: Rows, inside: Flags, P: Point, t: float, achieved: Array) -> tuple[Flags, bool]:
    """Take in rows whose margins come near what is required, leave out those that lost their pull.

    Also returns whether the set of rows has changed.
    """
    out, joins, leaves, k = np.empty(len(inside), np.bool_), 0, 0, 0
    size = len(P.slack)
    for r in range(len(inside)):
        spare = achieved[r] - t * A.bound[r]
        if inside[r]:
            idle = P.multipliers[k] < _IDLE / size and spare > _FAR * t * A.bound[r]
            out[r] = not (idle and t > 0 and size > _FEW)
            leaves += not out[r]
            k += 1
        else:
            out[r] = spare < _NEAR * max(t, 0.0) * A.bound[r]
            joins += out[r]
    if joins > 0 or leaves > _WORTH * size:
        return out, True
    return inside, False


@compiled
def carried_over(A: Rows, inside: Flags, now: Flags, P: Point, t: float, achieved: Array) -> Point:
    """The same point with other rows: each new one has a slack of its own and the mean product."""
    size = _count(now)
    multipliers, slack = np.empty(size), np.empty(size)
    mean = dot(P.multipliers, P.slack) / len(P.slack)
    typical = dot(P.slack, np.ones(len(P.slack))) / len(P.slack)
    old = new = 0
    for r in range(len(inside)):
        if now[r] and inside[r]:
            multipliers[new], slack[new] = P.multipliers[old], P.slack[old]
        elif now[r]:
            slack[new] = max(achieved[r] - t * A.bound[r], _ROOM * typical)
            multipliers[new] = mean / slack[new]
        old += inside[r]
        new += now[r]
    return Point(P.w, multipliers, slack, P.cones)


@compiled
def _count(inside: Flags) -> int:
    total = 0
    for r in range(len(inside)):
        total += inside[r]
    return total


@compiled
def subset(A: Rows, inside: Flags) -> Rows:
    """The rows that are inside."""
    m, d = _count(inside), A.x.shape[1]
    x, bound, owner = np.empty((m, d)), np.empty(m), np.empty(m, np.int64)
    first, k = np.zeros(len(A.first), np.int64), 0
    for r in range(len(inside)):
        if inside[r]:
            bound[k], owner[k] = A.bound[r], A.owner[r]
            copy(A.x[r], x[k])
            k += 1
            first[A.owner[r] + 1] = k
    for i in range(1, len(first)):  # an input without rows ends where the one before it ends
        first[i] = max(first[i], first[i - 1])
    return Rows(x, A.z, bound, first, owner)


@compiled
def spread(inside: Flags, x: Array, out: Array) -> None:
    """Write numbers of the rows inside to their places among all rows, 0 elsewhere."""
    k = 0
    for r in range(len(inside)):
        out[r] = x[k] if inside[r] else 0.0
        k += inside[r]


@compiled
def gather(inside: Flags, x: Array) -> Array:
    """Of numbers of all rows those inside."""
    out, k = np.empty(_count(inside)), 0
    for r in range(len(inside)):
        if inside[r]:
            out[k] = x[r]
            k += 1
    return out

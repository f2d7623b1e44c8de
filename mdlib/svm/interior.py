r"""A primal-dual interior point method for the l_p margin problem, compiled.

What the smallest weights with :math:`A w \ge b` point to is the direction of largest margin, so the
problem that is solved is

.. math:: \max_{t,\, \|w\|_p \le 1} t \;\text{ with } A w \ge t b
    \qquad\text{and its dual}\qquad
    \min_{\lambda \ge 0} \|A^\top \lambda\|_q \;\text{ with } b^\top \lambda = 1 .

Both have points inside their constraints whatever A is, and all that occurs is bounded. Where the
original has no solution these two meet at 0, and :math:`\lambda` is the proof.

All products of a slack and its multiplier, :math:`\lambda_r s_r` and those of `mdlib.svm.cones`,
are driven to 0 together by Newton steps: Mehrotra's predictor and corrector (1992), kept to a
neighbourhood of the path on which they are equal. It takes 10 to 20 steps on well-scaled problems,
whatever p, and up to 100 where the margin is 1e-9 of the longest row.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from mdlib.svm.arrays import Array, Index
from mdlib.svm.compiled import callable_from_python, compiled, copy, dot, norm
from mdlib.svm.corrector import SHORTEST, Point, advance, start
from mdlib.svm.duality import least_share
from mdlib.svm.inverse import FREE, ROWS, WEIGHTS
from mdlib.svm.rows import Rows, among_rows, margins, pull, rows_of
from mdlib.svm.working_set import carried_over, first_set, gather, revised, spread, subset

SOLVED, INFEASIBLE, STALLED = range(3)

_STEPS = 200  # twice what the hardest problem seen has needed
_FAST = 1e-4  # a gap from where on it falls fast, unless rounding holds it up
_PATIENCE, _CONTENT = 15, 3  # steps that do not halve a gap below that, or below the tolerance
# Rows or weights up to which a matrix of that size is factorised: at once, because conjugate
# gradients stall (1 GiB, some seconds a step), because the smaller side stalls.
_DIRECT, _PATIENTLY, _OTHER_SIDE = 4000, 12_000, 2000
_WORTH_A_THREAD = 20_000  # rows times the smaller side: some milliseconds of work
_CANCELLED = 1e-10  # of each column: what A' lambda is at most where lambda proves a no
_SUSPECT = 1e-6  # of the largest entry of A: from where on A' lambda is looked at so closely


def interior_points(
    x: Array,  # (B, n, R, d)
    z: Array,  # (B, n, k)
    bound: Array,  # (B, m), m = n R
    p: float,
    tol: float,
    goal: float,
) -> tuple[Array, Array, Index, Index]:
    """Solve a batch, one problem after the other: each keeps to the processor's cache.

    A large batch is shared among torch's number of threads. Returns weights (B, d k), multipliers
    (B, m), how each ended and the number of its steps.
    """
    (B, m), size = bound.shape, x.shape[-1] * z.shape[-1]
    w, multipliers = np.empty((B, size)), np.zeros((B, m))
    ended, steps = np.full(B, STALLED), np.zeros(B, np.int64)

    def one(b: int) -> None:
        A, kept = rows_of(x[b], z[b], bound[b])
        best = np.inf
        for side in _sides(len(kept), size):
            new_w, found = np.empty(size), np.empty(len(kept))
            # Without a factorisation the last steps take by far the most turns.
            far = tol / 2 if side == FREE else goal
            end, taken, gap = interior_point(A, p, tol, far, side, new_w, found)
            steps[b] += taken
            if best == np.inf or gap < best or end == INFEASIBLE:
                best, ended[b], w[b], multipliers[b, kept] = gap, end, new_w, found
            if end != STALLED:
                break

    def every(first: int, step: int) -> None:
        for b in range(first, B, step):
            one(b)

    threads = min(B, torch.get_num_threads())
    if threads == 1 or B * m * min(m, size) < _WORTH_A_THREAD:
        every(0, 1)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(every, range(threads), [threads] * threads))
    return w, multipliers, ended, steps


def _sides(rows: int, weights: int) -> list[int]:
    """What to eliminate, in the order to try: small problems are solved at the first."""
    (small, least), (other, most) = sorted(
        ((ROWS, rows), (WEIGHTS, weights)), key=lambda side: side[1]
    )
    sides = [FREE] if least > _DIRECT else []
    sides += [small] if least <= _PATIENTLY else []
    return [*sides, other] if most <= _OTHER_SIDE else sides


@callable_from_python
def interior_point(
    A: Rows, p: float, tol: float, goal: float, side: int, best_w: Array, best_multipliers: Array
) -> tuple[int, int, float]:
    """Fill in weights and multipliers whose relative gap is at most ``tol``, or the best found.

    It goes on to ``goal`` while that costs little: w is only as good as the square root of the gap.
    Returns how it ended, the number of steps and the relative gap.
    """
    m, D, q = len(A.bound), A.x.shape[1] * A.z.shape[1], p / (p - 1)
    pulled, all_achieved, longest = np.empty(D), np.empty(m), 0.0
    for r in range(m):
        longest = max(longest, norm(A.x[r], np.inf) * norm(A.z[A.owner[r]], np.inf))
    inside = first_set(A, side, pulled)
    B = subset(A, inside)
    few = len(B.bound)
    P = Point(np.empty(D), np.empty(few), np.empty(few), np.empty((4, 0 if p == 2 else D)))
    nu, t = start(B, p, P)
    gram = _gram(B, side == ROWS and p == 2)
    best, age, k = np.inf, 0, 0
    for k in range(_STEPS):
        margins(A, P.w, all_achieved)
        now, changed = revised(A, inside, P, t, all_achieved)
        if changed:
            P = carried_over(A, inside, now, P, t, all_achieved)
            inside, B = now, subset(A, now)
            gram = _gram(B, side == ROWS and p == 2)
        pull(B, P.multipliers, pulled)
        reach, size = least_share(A, all_achieved), norm(pulled, q)
        if reach > 0:
            gap = 1 - reach * dot(B.bound, P.multipliers) / (norm(P.w, p) * size)
            if gap < best:
                age = 0 if gap < best / 2 or gap > _FAST else age
                best = gap
                copy(P.w, best_w)
                spread(inside, P.multipliers, best_multipliers)
            age += 1
            if gap <= goal or age > (_CONTENT if best <= tol else _PATIENCE):
                break
        elif size <= _SUSPECT * longest and _cancels(B, P.multipliers, pulled):
            copy(P.w, best_w)
            spread(inside, P.multipliers, best_multipliers)
            return INFEASIBLE, k, np.inf
        achieved = gather(inside, all_achieved)
        length, nu, t = advance(B, p, side, gram, P, nu, t, pulled, achieved)
        if length <= SHORTEST:
            break
    if best == np.inf:
        copy(P.w, best_w)
        spread(inside, P.multipliers, best_multipliers)
        return STALLED, k, best
    best = _mirrored(A, p, best, best_w, best_multipliers, pulled, all_achieved)
    return (SOLVED if best <= tol else STALLED), k, best


@compiled
def _gram(A: Rows, wanted: bool) -> Array:
    """A A', which for p = 2 stays the same; empty unless wanted."""
    size = len(A.bound) if wanted else 0
    gram = np.empty((size, size))
    if wanted:
        among_rows(A, np.ones(A.x.shape[1] * A.z.shape[1]), gram)
    return gram


@compiled
def _cancels(A: Rows, multipliers: Array, pulled: Array) -> bool:
    """Whether the rows, so weighted, cancel each other in every column: Farkas' proof.

    A column counts in units of its largest entry in a row of largest entry 1.
    """
    d, k = A.x.shape[1], A.z.shape[1]
    column, total = np.zeros((d, k)), 0.0
    for r in range(len(multipliers)):
        z = A.z[A.owner[r]]
        size = norm(A.x[r], np.inf) * norm(z, np.inf)
        total += multipliers[r] * size
        for a in range(d):
            for e in range(k):
                column[a, e] = max(column[a, e], abs(A.x[r, a] * z[e]) / size)
    for a in range(d):
        for e in range(k):
            if abs(pulled[a * k + e]) > _CANCELLED * column[a, e] * total:
                return False
    return True


@compiled
def _mirrored(
    A: Rows, p: float, gap: float, w: Array, multipliers: Array, pulled: Array, achieved: Array
) -> float:
    """Take the mirror image of the multipliers for w where that is as good; return the gap.

    Small entries of w count little in the norm and so are known least; these are exact.
    """
    pull(A, multipliers, pulled)
    image, size, q = np.empty(len(w)), norm(pulled, p / (p - 1)), p / (p - 1)
    for j in range(len(w)):
        image[j] = math.copysign((abs(pulled[j]) / size) ** (q - 1), pulled[j])
    margins(A, image, achieved)
    reach = least_share(A, achieved)
    reached = 1 - reach / (norm(image, p) * size) if reach > 0 else np.inf
    if reached > gap:
        return gap
    copy(image, w)
    return reached

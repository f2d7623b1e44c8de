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
from typing import NamedTuple

import numpy as np

from mdlib.svm.cones import Cones, ask, linearise, step
from mdlib.svm.duality import least_share, norm
from mdlib.svm.newton import FREE, ROWS, WEIGHTS, dot, factorise, solve
from mdlib.svm.rows import Array, Flags, Index, Rows, among_rows, callable_from_python, compiled, margins, pull

SOLVED, INFEASIBLE, STALLED = range(3)

_STEPS = 200  # twice what the hardest problem seen has needed
_FAR = 1e-4  # a gap from where on it falls fast, unless rounding holds it up
_PATIENCE, _CONTENT = 15, 3  # steps that do not halve a gap below that, or below the tolerance
_LITTLE = 0.1  # of the largest requirement
_NEAREST = 1e-3  # the least product of a pair, in units of their mean
_SHORTEST = 1e-8  # a step that leads nowhere
_FEW = 96  # rows that are all worked on; a factorisation of so few costs no more than the rest
_NEAR = 0.03  # of the margin: slack of a row that joins those that are worked on
_DIRECT = 4000  # rows or weights up to which the matrix is factorised: it holds their square
_FAR_OFF, _IDLE = 0.3, 1e-3  # of the margin, and of the mean multiplier: a row that may leave
_OTHER_SIDE = 2000  # rows or weights up to which a problem that stalls is tried on the other side
_CANCELLED = 1e-10  # of each column: what A' lambda is at most where lambda proves a no


@compiled
def _start(
    A: Rows, p: float, w: Array, multipliers: Array, slack: Array, c: Cones
) -> tuple[float, float]:
    """The point where all products are nearly equal and no equation is missed; returns nu, t.

    Equal multipliers, w their small mirror image, t so low that all slacks are alike. A margin of
    which next to nothing is required cannot take part: its slack is made up, its row is missed.
    """
    m, D = len(slack), len(w)
    for r in range(m):
        multipliers[r] = 1 / A.bound[r] if A.bound[r] > _LITTLE else 1.0
    total = dot(A.bound, multipliers)
    for r in range(m):
        multipliers[r] /= total
    pull(A, multipliers, w)
    nu, size, unit = 1.0 if p == 2 else 0.0, D ** (-1 / p), 1.0
    if p != 2:
        unit = size ** (p - 1)
        for j in range(D):
            nu = max(nu, 2 * abs(w[j]) / unit)
    margins(A, w, slack)
    farthest, shrink = 0.0, 1.0
    for r in range(m):
        if A.bound[r] > _LITTLE:
            farthest = max(farthest, abs(slack[r]) / A.bound[r])
    if p == 2:
        t = -2 * farthest
        product = -t / m
    else:  # w = pulled size / (nu unit), and the margins must be less than half of -t
        nu = max(nu, math.sqrt(4 * farthest * size / unit * D / m))
        nu = 1.0 if nu == 0 else nu  # equal multipliers cancel: the proof is found at once
        product = nu / (2 * D)
        t = -m * product
        shrink = size / (nu * unit)
        for j in range(D):
            c.alpha[j], c.beta[j] = (nu * unit + w[j]) / 2, (nu * unit - w[j]) / 2
            w[j] *= shrink
            c.below[j], c.above[j] = size - w[j], size + w[j]
    for r in range(m):
        if A.bound[r] > _LITTLE:
            slack[r] = shrink * slack[r] - t * A.bound[r]
        else:
            slack[r] = product / multipliers[r]
    return nu, t


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
def _along(a: Array, da: Array, b: Array, db: Array, length: float) -> tuple[float, float]:
    """The sum and the least of the products a b after a step."""
    total, least = 0.0, np.inf
    for i in range(len(a)):
        product = (a[i] + length * da[i]) * (b[i] + length * db[i])
        total += product
        least = min(least, product)
    return total, least


@compiled
def _products(
    m: Array, dm: Array, s: Array, ds: Array, c: Cones, d: Cones, length: float
) -> tuple[float, float]:
    """The sum and the least of all products after a step."""
    total, least = _along(m, dm, s, ds, length)
    below = _along(c.alpha, d.alpha, c.below, d.below, length)
    above = _along(c.beta, d.beta, c.above, d.above, length)
    return total + below[0] + above[0], min(least, below[1], above[1])


@compiled
def _steepest(x: Array, dx: Array) -> float:
    """The inverse of the step that brings the first of x to 0."""
    worst = 0.0
    for i in range(len(x)):
        worst = max(worst, -dx[i] / x[i])
    return worst


@compiled
def _move(x: Array, dx: Array, length: float) -> None:
    for i in range(len(x)):
        x[i] += length * dx[i]


@compiled
def _to_unit_norm(p: float, c: Cones, d: Cones, length: float, w: Array, slack: Array) -> float:
    """Step with the cones and scale all that is primal until u has norm 1; return the factor."""
    _move(c.alpha, d.alpha, length)
    _move(c.beta, d.beta, length)
    _move(c.below, d.below, length)
    _move(c.above, d.above, length)
    for j in range(len(w)):
        w[j] = (c.below[j] + c.above[j]) / 2
    shrink = 1 / norm(w, p)
    for j in range(len(w)):
        c.below[j] *= shrink
        c.above[j] *= shrink
        w[j] = (c.above[j] - c.below[j]) / 2
    for r in range(len(slack)):
        slack[r] *= shrink
    return shrink


@compiled
def _copy(x: Array, out: Array) -> None:
    for i in range(len(x)):
        out[i] = x[i]


class Point(NamedTuple):
    """Where the method stands, besides nu and t."""

    w: Array
    multipliers: Array
    slack: Array
    cones: Cones


@compiled
def _advance(
    A: Rows, p: float, side: int, gram: Array, P: Point, nu: float, t: float, pulled: Array,
    achieved: Array,
) -> tuple[float, float, float]:  # fmt: skip
    """Take one step, predicted and corrected; return its length, nu and t."""
    multipliers, s, w, c = P.multipliers, P.slack, P.w, P.cones
    m, D, size = len(s), len(w), len(c.alpha)
    pairs = m + 2 * size
    dw, dm, ds, missed, asked_m, theta = (
        np.zeros(D), np.zeros(m), np.zeros(m), np.empty(m), np.empty(m), np.empty(m),
    )  # fmt: skip
    H, g, miss, asked = np.empty(D), np.empty(D), np.empty(D), np.empty(D)
    link, lift, right, offset = np.empty(size), np.empty(size), np.empty(size), np.empty(size)
    d = Cones(np.zeros(size), np.zeros(size), np.zeros(size), np.zeros(size))
    slope, norm_miss = linearise(p, nu, c, w, pulled, H, g, miss, link)
    for r in range(m):
        missed[r] = s[r] - achieved[r] + t * A.bound[r]
        theta[r] = multipliers[r] / s[r]
    S = factorise(A, side, gram, H, g, theta, slope)
    if not len(S.L):
        return 0.0, nu, t
    mean = _products(multipliers, dm, s, ds, c, d, 0.0)[0] / pairs
    target, bent, rest = 0.0, 0.0, 1.0
    dnu = dt = length = 0.0
    for phase in range(2):  # predict, then correct
        constant = ask(p, nu, c, d, target, bent, rest, H, miss, link, lift, right, offset, asked)
        for r in range(m):
            ds[r] = (target - bent * dm[r] * ds[r]) / multipliers[r] - s[r]
            asked_m[r] = rest * missed[r] + ds[r]
        dnu, dt = solve(
            A, S, asked, asked_m, rest * norm_miss - constant,
            rest * (1 - dot(A.bound, multipliers)), phase > 0, dw, dm,
        )  # fmt: skip
        for r in range(m):
            ds[r] -= dm[r] / theta[r]
        step(p, nu, c, dw, dnu, H, g, lift, right, offset, d)
        length = 1 / max(
            1.0, -dnu / nu, _steepest(multipliers, dm), _steepest(s, ds),
            _steepest(c.alpha, d.alpha), _steepest(c.beta, d.beta),
            _steepest(c.below, d.below), _steepest(c.above, d.above),
        )  # fmt: skip
        if phase == 0:
            after = _products(multipliers, dm, s, ds, c, d, length)[0] / pairs
            share = min(1.0, max(1e-2, after / mean)) ** 3
            target, bent, rest = share * mean, length**2, 1 - share
    length = min(1.0, 0.995 * length)
    while length > _SHORTEST:
        total, least = _products(multipliers, dm, s, ds, c, d, length)
        if least >= _NEAREST * total / pairs:
            break
        length *= 0.8
    if not length > _SHORTEST:  # nor where rounding has left a NaN
        return 0.0, nu, t
    _move(multipliers, dm, length)
    _move(s, ds, length)
    _move(w, dw, length)
    nu += length * dnu
    t += length * dt
    if p != 2:
        shrink = _to_unit_norm(p, c, d, length, w, s)
        t *= shrink
        nu *= shrink ** (1 - p)
    return length, nu, t


@compiled
def _subset(A: Rows, inside: Flags) -> Rows:
    """The rows that are inside."""
    m, d = count(inside), A.x.shape[1]
    x, bound, owner = np.empty((m, d)), np.empty(m), np.empty(m, np.int64)
    first, k = np.zeros(len(A.first), np.int64), 0
    for r in range(len(inside)):
        if inside[r]:
            bound[k], owner[k] = A.bound[r], A.owner[r]
            _copy(A.x[r], x[k])
            k += 1
            first[A.owner[r] + 1] = k
    for i in range(1, len(first)):  # an input without rows ends where the one before it ends
        first[i] = max(first[i], first[i - 1])
    return Rows(x, A.z, bound, first, owner)


@compiled
def count(inside: Flags) -> int:
    """How many are inside."""
    total = 0
    for r in range(len(inside)):
        total += inside[r]
    return total


@compiled
def _first_working_set(A: Rows, side: int, w: Array) -> Flags:
    """The rows that equal multipliers leave with the least margins; all of them if they are few."""
    m, D = len(A.bound), len(w)
    inside = np.ones(m, np.bool_)
    if side != ROWS or m <= _FEW:
        return inside
    achieved = np.empty(m)
    pull(A, np.ones(m), w)
    margins(A, w, achieved)
    low, high = -norm(achieved, np.inf), norm(achieved, np.inf)
    for _ in range(20):  # bisect the margin up to which half of the rows lie
        middle = (low + high) / 2
        below = 0
        for r in range(m):
            below += achieved[r] < middle
        if below < max(_FEW, m // 2):
            low = middle
        else:
            high = middle
    for r in range(m):
        inside[r] = achieved[r] < high or A.bound[r] <= _LITTLE
    return inside


@compiled
def _revised(A: Rows, inside: Flags, P: Point, t: float, achieved: Array) -> tuple[Flags, bool]:
    """Take in rows whose margins come near what is required, leave out those that lost their pull.

    Also returns whether the set of rows has changed; that few could leave is not worth it.
    """
    revised, joins, leaves, k = np.empty(len(inside), np.bool_), 0, 0, 0
    size = len(P.slack)
    for r in range(len(inside)):
        spare = achieved[r] - t * A.bound[r]
        if inside[r]:
            idle = P.multipliers[k] < _IDLE / size and spare > _FAR_OFF * t * A.bound[r]
            revised[r] = not (idle and t > 0 and size > _FEW)
            leaves += not revised[r]
            k += 1
        else:
            revised[r] = spare < _NEAR * max(t, 0.0) * A.bound[r]
            joins += revised[r]
    if joins > 0 or leaves > size // 8:
        return revised, True
    return inside, False


@callable_from_python
def interior_point(
    A: Rows, p: float, tol: float, goal: float, side: int, best_w: Array, best_multipliers: Array
) -> tuple[int, int, float]:
    """Fill in weights and multipliers whose relative gap is at most ``tol``, or the best found.

    It goes on to ``goal`` while that costs little: w is only as good as the square root of the gap.
    Of many rows it works on those that are near to binding, and takes in others as they come near.
    Returns how it ended, the number of steps and the relative gap.
    """
    m, D, q = len(A.bound), A.x.shape[1] * A.z.shape[1], p / (p - 1)
    size = 0 if p == 2 else D
    w, pulled, all_achieved, all_multipliers = np.empty(D), np.empty(D), np.empty(m), np.empty(m)
    longest = 0.0
    for r in range(m):
        longest = max(longest, norm(A.x[r], q) * norm(A.z[A.owner[r]], q))
    inside = _first_working_set(A, side, w)
    B = _subset(A, inside)
    P = Point(
        w, np.empty(len(B.bound)), np.empty(len(B.bound)),
        Cones(np.empty(size), np.empty(size), np.empty(size), np.empty(size)),
    )  # fmt: skip
    nu, t = _start(B, p, w, P.multipliers, P.slack, P.cones)
    gram = among_all(B, side == ROWS and p == 2)
    best, age, k = np.inf, 0, 0
    _copy(w, best_w)
    for k in range(_STEPS):
        margins(A, w, all_achieved)
        revised, changed = _revised(A, inside, P, t, all_achieved)
        if changed:
            P = _carried_over(A, inside, revised, P, t, all_achieved)
            inside, B = revised, _subset(A, revised)
            gram = among_all(B, side == ROWS and p == 2)
        pull(B, P.multipliers, pulled)
        reach, pull_size = least_share(A, all_achieved), norm(pulled, q)
        if reach > 0:
            gap = 1 - reach * dot(B.bound, P.multipliers) / (norm(w, p) * pull_size)
            if gap < best:
                age = 0 if gap < best / 2 or gap > _FAR else age
                best = gap
                _copy(w, best_w)
                _spread(inside, P.multipliers, best_multipliers)
            age += 1
            if gap <= goal or age > (_CONTENT if best <= tol else _PATIENCE):
                break
        elif pull_size <= 1e-6 * longest and _cancels(B, P.multipliers, pulled):
            _spread(inside, P.multipliers, best_multipliers)
            return INFEASIBLE, k, np.inf
        achieved = _gather(inside, all_achieved, len(B.bound))
        length, nu, t = _advance(B, p, side, gram, P, nu, t, pulled, achieved)
        if length <= _SHORTEST:
            break
    if best == np.inf:
        _spread(inside, P.multipliers, best_multipliers)
    else:
        best = _mirrored(A, p, best, best_w, best_multipliers, pulled, all_achieved)
    return (SOLVED if best <= tol else STALLED), k, best


@compiled
def among_all(A: Rows, wanted: bool) -> Array:
    """A A', for p = 2, where it stays the same."""
    size = len(A.bound) if wanted else 0
    gram = np.empty((size, size))
    if wanted:
        among_rows(A, np.ones(A.x.shape[1] * A.z.shape[1]), gram)
    return gram


@compiled
def _spread(inside: Flags, x: Array, out: Array) -> None:
    k = 0
    for r in range(len(inside)):
        out[r] = x[k] if inside[r] else 0.0
        k += inside[r]


@compiled
def _gather(inside: Flags, x: Array, size: int) -> Array:
    out, k = np.empty(size), 0
    for r in range(len(inside)):
        if inside[r]:
            out[k] = x[r]
            k += 1
    return out


@compiled
def _carried_over(
    A: Rows, inside: Flags, revised: Flags, P: Point, t: float, achieved: Array
) -> Point:
    """The same point with other rows: each new one has a slack of its own and the mean product."""
    size = count(revised)
    multipliers, slack = np.empty(size), np.empty(size)
    mean = dot(P.multipliers, P.slack) / len(P.slack)
    typical = dot(P.slack, np.ones(len(P.slack))) / len(P.slack)
    old = new = 0
    for r in range(len(inside)):
        if revised[r] and inside[r]:
            multipliers[new], slack[new] = P.multipliers[old], P.slack[old]
        elif revised[r]:
            slack[new] = max(achieved[r] - t * A.bound[r], 0.5 * typical)
            multipliers[new] = mean / slack[new]
        old += inside[r]
        new += revised[r]
    return Point(P.w, multipliers, slack, P.cones)


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
    _copy(image, w)
    return reached


def interior_points(
    x: Array,  # (B, n, R, d)
    z: Array,  # (B, n, k)
    bound: Array,  # (B, m), m = n R
    p: float,
    tol: float,
    goal: float,
) -> tuple[Array, Array, Index, Index]:
    """Solve a batch, one problem after the other: each keeps to the processor's cache.

    Returns weights (B, d k), multipliers (B, m), how each ended and the number of its steps.
    """
    (B, m), size = bound.shape, x.shape[-1] * z.shape[-1]
    w, multipliers = np.empty((B, size)), np.zeros((B, m))
    ended, steps = np.empty(B, np.int64), np.empty(B, np.int64)
    for b in range(B):
        A, kept = _rows(x[b], z[b], bound[b])
        small, other = (ROWS, WEIGHTS) if len(kept) <= size else (WEIGHTS, ROWS)
        side = small if min(len(kept), size) <= _DIRECT else FREE
        found = np.zeros(len(kept))
        ended[b], steps[b], gap = interior_point(A, p, tol, goal, side, w[b], found)
        if ended[b] == STALLED and max(len(kept), size) <= _OTHER_SIDE:
            other_w, found_there = np.empty(size), np.zeros(len(kept))
            end, taken, reached = interior_point(A, p, tol, goal, other, other_w, found_there)
            steps[b] += taken
            if end == INFEASIBLE or reached < gap:
                ended[b], w[b], found = end, other_w, found_there
        multipliers[b, kept] = found
    return w, multipliers, ended, steps


@callable_from_python
def _rows(x: Array, z: Array, bound: Array) -> tuple[Rows, Index]:
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

"""One step of the interior point method: where it stands, a prediction and its correction."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from mdlib.svm.arrays import Array
from mdlib.svm.compiled import compiled, dot, inlined, move
from mdlib.svm.cones import ABOVE, ALPHA, ASKED, BELOW, BETA, ask, linearise, step, to_unit_norm
from mdlib.svm.newton import factorise, solve
from mdlib.svm.rows import Rows, margins, pull

LITTLE = 0.1  # of the largest requirement
SHORTEST = 1e-8  # a step that leads nowhere

_NEAREST = 1e-3  # the least product of a pair, in units of their mean
_LEAST_SHARE = 1e-2  # of the mean product that a prediction is believed to leave; cubed in the goal
_TO_THE_EDGE = 0.995  # of the way to where the first of a pair becomes 0
_BACK = 0.8  # times the step, until all products are near enough to their mean


class Point(NamedTuple):
    """Where the method stands, besides nu and t."""

    w: Array  # (D,)
    multipliers: Array  # (m,)
    slack: Array
    cones: Array  # (4, D), or (4, 0) for p = 2


@compiled
def start(A: Rows, p: float, P: Point) -> tuple[float, float]:
    """Fill in the point where all products are nearly equal; return nu and t.

    Equal multipliers, w their small mirror image, t so low that all slacks are alike: no equation
    is missed. A margin of which next to nothing is required cannot take part: its slack is made up.
    """
    w, multipliers, slack, c = P.w, P.multipliers, P.slack, P.cones
    m, D = len(slack), len(w)
    for r in range(m):
        multipliers[r] = 1 / A.bound[r] if A.bound[r] > LITTLE else 1.0
    total = dot(A.bound, multipliers)
    for r in range(m):
        multipliers[r] /= total
    pull(A, multipliers, w)
    margins(A, w, slack)
    farthest = largest = 0.0
    for r in range(m):
        if A.bound[r] > LITTLE:
            farthest = max(farthest, abs(slack[r]) / A.bound[r])
    for j in range(D):
        largest = max(largest, abs(w[j]))
    if p == 2:
        nu, shrink, t = 1.0, 1.0, -2 * farthest
    else:
        size = D ** (-1 / p)
        unit = size ** (p - 1)
        # Twice what the images of w need, and so much that no margin is more than half of -t.
        nu = max(2 * largest / unit, math.sqrt(4 * farthest * size / unit * D / m))
        nu = 1.0 if nu == 0 else nu  # equal multipliers cancel: the proof is found at once
        shrink, t = size / (nu * unit), -m * nu / (2 * D)
        for j in range(D):
            c[ALPHA, j], c[BETA, j] = (nu * unit + w[j]) / 2, (nu * unit - w[j]) / 2
            w[j] *= shrink
            c[BELOW, j], c[ABOVE, j] = size - w[j], size + w[j]
    for r in range(m):
        if A.bound[r] > LITTLE:
            slack[r] = shrink * slack[r] - t * A.bound[r]
        else:
            slack[r] = -t / m / multipliers[r]
    return nu, t


@inlined
def advance(
    A: Rows, p: float, side: int, gram: Array, P: Point, nu: float, t: float, pulled: Array,
    achieved: Array,
) -> tuple[float, float, float]:  # fmt: skip
    """Take one step, predicted and corrected; return its length, nu and t."""
    w, multipliers, s, c = P.w, P.multipliers, P.slack, P.cones
    m, D, pairs = len(s), len(w), len(s) + 2 * c.shape[1]
    dw, dm, ds, d = np.zeros(D), np.zeros(m), np.zeros(m), np.zeros(c.shape)
    missed, asked, theta = np.empty(m), np.empty(m), np.empty(m)
    H, g, notes = np.empty(D), np.empty(D), np.empty((6, D))
    slope, norm_miss = linearise(p, nu, c, w, pulled, H, g, notes)
    for r in range(m):
        missed[r] = s[r] - achieved[r] + t * A.bound[r]
        theta[r] = multipliers[r] / s[r]
    S = factorise(A, side, gram, H, g, theta, slope)
    if not len(S.L):
        return 0.0, nu, t
    mean = _products(multipliers, dm, s, ds, c, d, 0.0)[0] / pairs
    target, bent, rest = 0.0, 0.0, 1.0
    dnu = dt = length = 0.0
    for corrects in (False, True):
        constant = ask(p, nu, c, d, target, bent, rest, H, notes)
        for r in range(m):
            ds[r] = (target - bent * dm[r] * ds[r]) / multipliers[r] - s[r]
            asked[r] = rest * missed[r] + ds[r]
        dnu, dt = solve(
            A, S, notes[ASKED], asked, rest * norm_miss - constant,
            rest * (1 - dot(A.bound, multipliers)), corrects, dw, dm,
        )  # fmt: skip
        for r in range(m):
            ds[r] -= dm[r] / theta[r]
        step(p, nu, c, dw, dnu, H, g, notes, d)
        steepest = max(_steepest(multipliers, dm), _steepest(s, ds))
        length = 1 / max(1.0, -dnu / nu, steepest, _steepest(c.ravel(), d.ravel()))
        if not corrects:
            after = _products(multipliers, dm, s, ds, c, d, length)[0] / pairs
            share = min(1.0, max(_LEAST_SHARE, after / mean)) ** 3
            target, bent, rest = share * mean, length**2, 1 - share
    length = min(1.0, _TO_THE_EDGE * length)
    while length > SHORTEST:
        total, least = _products(multipliers, dm, s, ds, c, d, length)
        if least >= _NEAREST * total / pairs:
            break
        length *= _BACK
    if not length > SHORTEST:  # nor where rounding has left a NaN
        return 0.0, nu, t
    move(multipliers, dm, length)
    move(s, ds, length)
    move(w, dw, length)
    shrink = to_unit_norm(p, c, d, length, w, s)
    return length, (nu + length * dnu) * shrink ** (1 - p), (t + length * dt) * shrink


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
    m: Array, dm: Array, s: Array, ds: Array, c: Array, d: Array, length: float
) -> tuple[float, float]:
    """The sum and the least of all products after a step."""
    total, least = _along(m, dm, s, ds, length)
    for one, other in ((ALPHA, BELOW), (BETA, ABOVE)):
        sum_, smallest = _along(c[one], d[one], c[other], d[other], length)
        total, least = total + sum_, min(least, smallest)
    return total, least


@compiled
def _steepest(x: Array, dx: Array) -> float:
    """The inverse of the step that brings the first of x to 0."""
    worst = 0.0
    for i in range(len(x)):
        worst = max(worst, -dx[i] / x[i])
    return worst

r"""Weak duality for the l_p margin problem: how far a solution can be from the best.

Any weights whose margins reach b have norm at least

.. math:: \frac{\langle b, \lambda\rangle}{\|A^\top\lambda\|_q} \quad\text{for all } \lambda \ge 0,

since :math:`\langle b, \lambda\rangle \le \langle A w, \lambda\rangle
= \langle w, A^\top\lambda\rangle \le \|w\|_p \|A^\top\lambda\|_q`. So weights and multipliers
bound the optimum from both sides.
"""

from __future__ import annotations

import math

import numpy as np

from mdlib.svm.arrays import Array, Flags
from mdlib.svm.compiled import callable_from_python, compiled, norm
from mdlib.svm.rows import Rows, margins, pull
from mdlib.svm.solution import Certificate

_SLACK = 1e-7  # a margin this close to its bound is tight
_ROUNDING = 1e-12  # more than a margin of a well-scaled problem can be off by in float64


@compiled
def least_share(A: Rows, achieved: Array) -> float:
    """The least margin in units of what is required."""
    least = np.inf
    for r in range(len(achieved)):
        if A.bound[r] > 0:
            least = min(least, achieved[r] / A.bound[r])
    return least


@compiled
def distance_from_mirror(w: Array, dual: Array, p: float) -> float:
    """How far w is from inverse(dual), relative, where the map between them is smooth.

    For p <= 2 the distance of w from inverse(dual) in the l_p norm; for p > 2 that of mirror(w)
    from the dual in the l_q norm. The other map is infinitely steep at 0.
    """
    q = p / (p - 1)
    if p > 2:
        w, dual, p, q = dual, w, q, p
    image, apart = np.empty(len(w)), np.empty(len(w))
    for j in range(len(w)):
        image[j] = math.copysign(abs(dual[j]) ** (q - 1), dual[j])
        apart[j] = image[j] - w[j]
    size = norm(image, p)
    distance: float = norm(apart, p) / size if size > 0 else np.inf
    return distance


@callable_from_python
def certify(
    x: Array,  # (B, n, R, d)
    z: Array,  # (B, n, k)
    bound: Array,  # (B, m), negative where there is no constraint
    p: float,
    w: Array,  # (B, d k)
    multipliers: Array,  # (B, m)
    C: Certificate,
) -> None:
    """Scale weights to margin 1 and multipliers to match, in place; measure what separates them."""
    B, n, R, d = x.shape
    q = p / (p - 1)
    first, owner = np.arange(n + 1), np.arange(n * R)
    for i in range(n + 1):
        first[i] *= R
    for r in range(n * R):
        owner[r] //= R
    pulled = np.empty(w.shape[1])
    for b in range(B):
        A = Rows(x[b].reshape(n * R, d), z[b], bound[b], first, owner)
        achieved, m = C.margins[b], multipliers[b]
        margins(A, w[b], achieved)
        reach = least_share(A, achieved)
        if reach > 0:
            for j in range(len(pulled)):
                w[b, j] *= (1 + _ROUNDING) / reach
            margins(A, w[b], achieved)
        C.norm[b] = norm(w[b], p)

        total = largest = 0.0
        for r in range(len(m)):
            m[r] = max(m[r], 0.0) if bound[b, r] >= 0 and norm(A.x[r], np.inf) > 0 else 0.0
            total += m[r] * max(bound[b, r], 0.0)
        pull(A, m, pulled)
        size = norm(pulled, q)
        C.bound[b] = total / size if size > 0 else np.inf
        # Scale until <b, lambda> = ||A' lambda||_q^q, as at the optimum. With a factor f that is
        # f^(q-1) = total / size^q, taken apart so that the power cannot overflow.
        factor = C.bound[b] ** (p - 1) / size if size > 0 else 1.0
        factor = factor if 0 < factor < np.inf else 1.0
        for r in range(len(m)):
            m[r] *= factor
            largest = max(largest, m[r])
        for j in range(len(pulled)):
            pulled[j] *= factor
        C.gap[b] = 1 - C.bound[b] / C.norm[b] if reach > 0 else np.inf
        C.stationarity[b] = distance_from_mirror(w[b], pulled, p)
        C.violation[b] = 0.0
        for r in range(len(m)):
            spare = achieved[r] - bound[b, r]
            C.support[b, r] = bound[b, r] >= 0 and spare < max(_SLACK, m[r] / largest)
            if bound[b, r] >= 0:
                C.violation[b] = max(C.violation[b], -spare)
            else:
                achieved[r] = np.inf

r"""The potential of the weights, split: |w| <= u with a pair of multipliers, and the power of u.

At the optimum :math:`A^\top\lambda = \nu \nabla\psi(w)`. That map bends without bound where an
entry of w or its image passes 0, and Newton steps on it go astray. So each entry gets a bound u of
its own,

.. math::
    \max_{t,\, w,\, u} \; t \quad\text{subject to}\quad
    A w \ge t b, \quad -u \le w \le u, \quad \|u\|_p \le 1,

and with it two multipliers: :math:`\alpha` of :math:`u - w \ge 0` and :math:`\beta` of
:math:`u + w \ge 0`, where

.. math:: \alpha - \beta = A^\top\lambda, \qquad \alpha + \beta = \nu u^{p-1} .

Now all that bends is the power of u > 0, and its logarithm does not bend at all: the second
equation, the *link*, is kept as :math:`\log\nu + (p - 1)\log u - \log(\alpha + \beta) = 0`.
p = 2 has a linear map and needs none of this: its array of cones is empty.
"""

from __future__ import annotations

import math

import numpy as np

from mdlib.svm.arrays import Array
from mdlib.svm.compiled import compiled, move, norm

ALPHA, BETA, BELOW, ABOVE = range(4)  # become 0 in pairs: alpha with u - w, beta with u + w
MISS, LINK, LIFT, RIGHT, OFFSET, ASKED = range(6)  # what `linearise` and `ask` note of each entry


@compiled
def linearise(
    p: float, nu: float, c: Array, w: Array, pulled: Array, H: Array, g: Array, notes: Array
) -> tuple[float, float]:
    """Find d(A' lambda) = H dw - H g dnu to first order, and what is missed now.

    Returns the slope of the norm equation in nu, and by how much the norm misses 1.
    """
    if p == 2:
        for j in range(len(w)):
            H[j], g[j], notes[MISS, j] = 1.0, 0.0, pulled[j] - w[j]
        return 1.0, 0.0
    slope = power = 0.0
    for j in range(len(w)):
        alpha, beta, e, f = c[ALPHA, j], c[BETA, j], c[BELOW, j], c[ABOVE, j]
        u, total = (e + f) / 2, alpha + beta
        bend, pi = (p - 1) * total / u, total / nu
        a1, a2 = alpha + e * bend / 2, beta + f * bend / 2
        top = a2 * alpha + a1 * beta
        H[j] = 2 * top / (a2 * e + a1 * f)
        g[j] = -pi * (alpha * f - beta * e) / (2 * top)
        log_u = math.log(u)
        notes[MISS, j] = pulled[j] - (alpha - beta)
        notes[LINK, j] = math.log(nu) + (p - 1) * log_u - math.log(total)
        slope += pi * (alpha * g[j] - e * pi / 2) / a1 + H[j] * g[j] * g[j]
        power += math.exp(p * log_u)
    return slope, (1 - power) / p


@compiled
def ask(
    p: float, nu: float, c: Array, d: Array, target: float, bent: float, rest: float, H: Array,
    notes: Array,
) -> float:  # fmt: skip
    """Write down what a step shall do: products to ``target``, misses to their ``rest`` share.

    ``bent`` is the share of the second-order terms of the step d that are corrected for. Returns
    the constant of the norm equation.
    """
    if p == 2:
        for j in range(len(H)):
            notes[ASKED, j] = rest * notes[MISS, j]
        return 0.0
    constant = 0.0
    for j in range(len(H)):
        alpha, beta, e, f = c[ALPHA, j], c[BETA, j], c[BELOW, j], c[ABOVE, j]
        u, total = (e + f) / 2, alpha + beta
        bend, pi = (p - 1) * total / u, total / nu
        a1, a2 = alpha + e * bend / 2, beta + f * bend / 2
        du, dtotal = (d[BELOW, j] + d[ABOVE, j]) / 2, d[ALPHA, j] + d[BETA, j]
        lift = bent / 2 * ((dtotal / total) ** 2 - (p - 1) * (du / u) ** 2)
        lift = total * (lift + rest * notes[LINK, j])
        r1 = target - alpha * e - bent * d[ALPHA, j] * d[BELOW, j] - e / 2 * lift
        r2 = target - beta * f - bent * d[BETA, j] * d[ABOVE, j] - f / 2 * lift
        offset = (a1 * r2 - a2 * r1) / (a2 * alpha + a1 * beta)
        notes[LIFT, j], notes[RIGHT, j], notes[OFFSET, j] = lift, r1, offset
        notes[ASKED, j] = rest * notes[MISS, j] + H[j] * offset
        constant += pi * (r1 + e / 2 * H[j] * offset) / a1
    return constant


@compiled
def step(
    p: float, nu: float, c: Array, dw: Array, dnu: float, H: Array, g: Array, notes: Array, d: Array
) -> None:
    """Fill d with the step of the cones that belongs to the step dw, dnu."""
    for j in range(c.shape[1]):
        alpha, e = c[ALPHA, j], c[BELOW, j]
        u, total = (e + c[ABOVE, j]) / 2, alpha + c[BETA, j]
        bend, pi = (p - 1) * total / u, total / nu
        dy = H[j] * (dw[j] - notes[OFFSET, j] - g[j] * dnu)
        du = notes[RIGHT, j] + alpha * dw[j] - e / 2 * (dy + pi * dnu)
        du /= alpha + e * bend / 2
        dtotal = bend * du + pi * dnu + notes[LIFT, j]
        d[ALPHA, j], d[BETA, j] = (dtotal + dy) / 2, (dtotal - dy) / 2
        d[BELOW, j], d[ABOVE, j] = du - dw[j], du + dw[j]


@compiled
def to_unit_norm(p: float, c: Array, d: Array, length: float, w: Array, slack: Array) -> float:
    """Step with the cones and scale all that is primal until u has norm 1; return the factor."""
    if p == 2:
        return 1.0
    move(c.ravel(), d.ravel(), length)
    u = np.empty(len(w))
    for j in range(len(w)):
        u[j] = (c[BELOW, j] + c[ABOVE, j]) / 2
    shrink: float = 1 / norm(u, p)
    for j in range(len(w)):
        c[BELOW, j] *= shrink
        c[ABOVE, j] *= shrink
        w[j] = (c[ABOVE, j] - c[BELOW, j]) / 2
    for r in range(len(slack)):
        slack[r] *= shrink
    return shrink

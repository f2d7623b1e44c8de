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
p = 2 has a linear map and needs none of this: its arrays are empty.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from mdlib.svm.rows import Array, compiled


class Cones(NamedTuple):
    """What becomes 0 in pairs: alpha with below = u - w, beta with above = u + w."""

    alpha: Array
    beta: Array
    below: Array
    above: Array


@compiled
def linearise(
    p: float, nu: float, c: Cones, w: Array, pulled: Array,
    H: Array, g: Array, miss: Array, link: Array,
) -> tuple[float, float]:  # fmt: skip
    """Find d(A' lambda) = H dw - H g dnu to first order, and what is missed now.

    Returns the slope of the norm equation in nu, and by how much the norm misses 1.
    """
    if p == 2:
        for j in range(len(w)):
            H[j], g[j], miss[j] = 1.0, 0.0, pulled[j] - w[j]
        return 1.0, 0.0
    slope = power = 0.0
    for j in range(len(w)):
        alpha, beta, e, f = c.alpha[j], c.beta[j], c.below[j], c.above[j]
        u, total = (e + f) / 2, alpha + beta
        bend, pi = (p - 1) * total / u, total / nu
        a1, a2 = alpha + e * bend / 2, beta + f * bend / 2
        top = a2 * alpha + a1 * beta
        H[j] = 2 * top / (a2 * e + a1 * f)
        g[j] = -pi * (alpha * f - beta * e) / (2 * top)
        miss[j] = pulled[j] - (alpha - beta)
        log_u = math.log(u)
        link[j] = math.log(nu) + (p - 1) * log_u - math.log(total)
        slope += pi * (alpha * g[j] - e * pi / 2) / a1 + H[j] * g[j] * g[j]
        power += math.exp(p * log_u)
    return slope, (1 - power) / p


@compiled
def ask(
    p: float, nu: float, c: Cones, d: Cones, target: float, bent: float, rest: float,
    H: Array, miss: Array, link: Array, lift: Array, right: Array, offset: Array, asked: Array,
) -> float:  # fmt: skip
    """Write down what a step shall do: products to ``target``, misses to their ``rest`` share.

    ``bent`` is the share of the second-order terms of the step d that are corrected for. Fills what
    is asked of the dual equations; returns the constant of the norm equation.
    """
    if p == 2:
        for j in range(len(H)):
            asked[j] = rest * miss[j]
        return 0.0
    constant = 0.0
    for j in range(len(H)):
        alpha, beta, e, f = c.alpha[j], c.beta[j], c.below[j], c.above[j]
        u, total = (e + f) / 2, alpha + beta
        bend, pi = (p - 1) * total / u, total / nu
        a1, a2 = alpha + e * bend / 2, beta + f * bend / 2
        lift[j] = rest * link[j]
        r1, r2 = target - alpha * e, target - beta * f
        if bent > 0:
            du, dtotal = (d.below[j] + d.above[j]) / 2, d.alpha[j] + d.beta[j]
            lift[j] += bent / 2 * ((dtotal / total) ** 2 - (p - 1) * (du / u) ** 2)
            r1 -= bent * d.alpha[j] * d.below[j]
            r2 -= bent * d.beta[j] * d.above[j]
        lift[j] *= total
        r1 -= e / 2 * lift[j]
        r2 -= f / 2 * lift[j]
        right[j] = r1
        offset[j] = (a1 * r2 - a2 * r1) / (a2 * alpha + a1 * beta)
        asked[j] = rest * miss[j] + H[j] * offset[j]
        constant += pi * (r1 + e / 2 * H[j] * offset[j]) / a1
    return constant


@compiled
def step(
    p: float, nu: float, c: Cones, dw: Array, dnu: float,
    H: Array, g: Array, lift: Array, right: Array, offset: Array, d: Cones,
) -> None:  # fmt: skip
    """Fill d with the step of the cones that belongs to the step dw, dnu."""
    for j in range(len(d.alpha)):
        alpha, e = c.alpha[j], c.below[j]
        u, total = (e + c.above[j]) / 2, alpha + c.beta[j]
        bend, pi = (p - 1) * total / u, total / nu
        dy = H[j] * (dw[j] - offset[j] - g[j] * dnu)
        du = (right[j] + alpha * dw[j] - e / 2 * (dy + pi * dnu)) / (alpha + e * bend / 2)
        dtotal = bend * du + pi * dnu + lift[j]
        d.alpha[j], d.beta[j] = (dtotal + dy) / 2, (dtotal - dy) / 2
        d.below[j], d.above[j] = du - dw[j], du + dw[j]

r"""Potentials: the l_p family, negative entropy and hypentropy.

Each is a convex function whose gradient is a mirror map. The paper's algorithms use `LpPotential`;
the other two are the field's classics for positive and for sparse weights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import torch
from torch import Tensor

from mdlib.geometry.entrywise import power_, signed_power
from mdlib.geometry.exponent import exponent
from mdlib.geometry.norms import Dim, lp_norm
from mdlib.geometry.potential import Potential, SeparablePotential, remainder


@dataclass(frozen=True)
class LpPotential(SeparablePotential):
    r"""The l_p potential :math:`\psi(w) = \frac1p \|w\|_p^p`, for :math:`1 < p < \infty`.

    Its mirror map is :math:`\operatorname{sign}(w)|w|^{p-1}`, inverted by
    :math:`\operatorname{sign}(y)|y|^{1/(p-1)}`: the potential of Algorithm l_p-AttGD in the paper.
    p = 2 is gradient descent, p near 1 favours sparse weights, large p flat ones.

    Any dtype and device. For any finite input nothing is ever NaN, and inf or (signed) 0 appear
    only where the true value leaves the range of the dtype.

    Parameters
    ----------
    p : float
        The exponent. It is read as the decimal you write, so p = 1.1 inverts with the power 10,
        not 9.999999999999991.

    Raises
    ------
    ValueError
        If p is not a finite number above 1.
    TypeError
        If p is no real number; from the methods, for tensors that are not real floating point.

    Examples
    --------
    >>> psi = LpPotential(p=1.5)
    >>> w = torch.tensor([4.0, -9.0, 0.0])
    >>> psi.mirror(w)
    tensor([ 2., -3.,  0.])
    >>> psi.inverse(psi.mirror(w))
    tensor([ 4., -9.,  0.])
    """

    p: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "p", exponent(self.p))
        if not (math.isfinite(self.p) and self.p > 1):
            raise ValueError(
                f"p must be a finite number above 1, got {self.p}; "
                "p = 1.05 is close to l_1 and p = 20 is close to l_inf"
            )

    @cached_property
    def q(self) -> float:
        """The conjugate exponent p / (p - 1)."""
        return 1.0 + self._inverse_power

    @cached_property
    def _inverse_power(self) -> float:
        return float(1 / (Fraction(str(self.p)) - 1))

    @cached_property
    def _mirror_power(self) -> float:
        return float(Fraction(str(self.p)) - 1)

    def _phi(self, w: Tensor) -> Tensor:
        return w.abs() / self.p * power_(w.abs(), self._mirror_power)

    def _mirror(self, w: Tensor) -> Tensor:
        return signed_power(w, self._mirror_power)

    def _inverse(self, y: Tensor) -> Tensor:
        return signed_power(y, self._inverse_power)

    def curvature(self, w: Tensor) -> Tensor:
        """Return (p - 1)|w|^(p - 2) for each entry; infinite at 0 for p < 2."""
        return self._mirror_power * w.abs().pow(float(Fraction(str(self.p)) - 2))

    def _gap(self, a: Tensor, b: Tensor) -> Tensor:
        # D(a, b) = m^p D(a/m, b/m): on the unit scale nothing can overflow on the way.
        m = torch.maximum(a.abs(), b.abs())
        safe = torch.where(m == 0, torch.ones_like(m), m)
        u, v, step = a / safe, b / safe, (a - b) / safe  # u - v would round away a short step
        far = u.abs().pow(self.p) / self.p + v.abs().pow(self.p) / self.q - self._mirror(v) * u
        unit = torch.where(step.abs() <= 0.5, remainder(self.curvature, v, step), far)
        half = m.pow(self.p / 2)  # m^p in two factors, as m^p alone may leave the range
        return torch.where(a == b, torch.zeros_like(unit), unit * half * half)

    def norm(self, w: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the l_p norm of ``w`` over ``dim``."""
        return lp_norm(self._checked(w), self.p, dim, keepdim)

    def dual_norm(self, g: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the l_q norm of ``g`` over ``dim``, q = p/(p-1)."""
        return lp_norm(self._checked(g), self.q, dim, keepdim)


@dataclass(frozen=True)
class NegativeEntropy(SeparablePotential):
    r"""The negative entropy :math:`\psi(w) = \sum_j w_j \log w_j - w_j` on the nonnegative orthant.

    Mirror map log w, inverse exp y: mirror descent becomes the multiplicative-weights update. The
    divergence is the generalised Kullback-Leibler divergence. An entry at 0 has dual -inf and
    stays at 0. Norm l_1, dual norm l_inf: the pair in which entropy is strongly convex on the
    simplex. The check of the domain reads the entries, so ``torch.func.vmap`` refuses it.

    Raises
    ------
    ValueError
        If an entry is negative.
    TypeError
        For tensors that are not real floating point.

    Examples
    --------
    >>> psi = NegativeEntropy()
    >>> psi.inverse(psi.mirror(torch.tensor([1.0, 0.0]))).tolist()
    [1.0, 0.0]
    >>> psi.divergence(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 1.0]))
    tensor(0.3069)
    """

    def _nonnegative(self, w: Tensor) -> Tensor:
        if (w < 0).any():
            raise ValueError(
                f"{self} lives on the nonnegative orthant, got an entry {w.min().item():g}; "
                "use Hypentropy(beta) for weights of both signs"
            )
        return w

    def _phi(self, w: Tensor) -> Tensor:
        w = self._nonnegative(w)
        return torch.where(w > 0, w * (w.log() - 1), torch.zeros_like(w))

    def _mirror(self, w: Tensor) -> Tensor:
        return self._nonnegative(w).abs().log()  # abs: log(-0.0) is -inf too, its slope is not -inf

    def _inverse(self, y: Tensor) -> Tensor:
        return y.exp()

    def curvature(self, w: Tensor) -> Tensor:
        """Return 1/w for each entry."""
        return 1 / w.abs()

    def _gap(self, a: Tensor, b: Tensor) -> Tensor:
        a, b = self._nonnegative(a), self._nonnegative(b)
        # D(a, b) = m D(a/m, b/m); on the unit scale the curvature cannot overflow.
        m = torch.maximum(a, b)
        safe = torch.where(m == 0, torch.ones_like(m), m)
        step = (a - b) / safe
        near = m * remainder(self.curvature, b / safe, step)
        far = torch.where(a > 0, a * (a.log() - b.log() - 1), torch.zeros_like(a)) + b
        return torch.where(a == b, torch.zeros_like(m), torch.where(step.abs() <= 0.5, near, far))

    def norm(self, w: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the l_1 norm of ``w`` over ``dim``."""
        return lp_norm(self._checked(w), 1, dim, keepdim)

    def dual_norm(self, g: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the largest absolute entry of ``g`` over ``dim``."""
        return lp_norm(self._checked(g), math.inf, dim, keepdim)


@dataclass(frozen=True)
class Hypentropy(SeparablePotential):
    r"""The hyperbolic entropy :math:`\sum_j w_j \sinh^{-1}(w_j/\beta) - \sqrt{w_j^2 + \beta^2}`.

    Mirror map :math:`\sinh^{-1}(w/\beta)`, inverse :math:`\beta \sinh y` (Ghai, Hazan and Singer,
    2020). Large beta behaves like gradient descent, small beta like multiplicative weights for
    entries of both signs. Not homogeneous, so it has no norm of its own.

    Parameters
    ----------
    beta : float
        The scale at which the two regimes meet, in units of the weights.

    Raises
    ------
    ValueError
        If beta is not a finite positive number.
    TypeError
        For tensors that are not real floating point.

    Examples
    --------
    >>> psi = Hypentropy(beta=0.1)
    >>> psi.inverse(psi.mirror(torch.tensor([2.0, -0.5, 0.0])))
    tensor([ 2.0000, -0.5000,  0.0000])
    """

    beta: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "beta", exponent(self.beta))
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise ValueError(f"beta must be a finite positive number, got {self.beta}")

    def _checked(self, x: Tensor) -> Tensor:
        range_ = torch.finfo(torch.promote_types(super()._checked(x).dtype, torch.float32))
        if not range_.tiny <= self.beta <= range_.max:
            raise ValueError(f"beta = {self.beta} is out of the range of {x.dtype}; use .double()")
        return x

    def _scaled(self, w: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        """Divide by the largest of beta and the entries, so that no square can overflow."""
        m = w.abs().clamp_min(self.beta)
        for x in others:
            m = torch.maximum(m, x.abs())
        return m, self.beta / m, w / m, *(x / m for x in others)

    def _phi(self, w: Tensor) -> Tensor:
        m, beta, u = self._scaled(w)
        return m * (u * self._mirror(w) - torch.hypot(u, beta))

    def _mirror(self, w: Tensor) -> Tensor:
        ratio = w.abs() / self.beta
        # Past 1e8 asinh(r) is log(2r) to the last digit; the logarithms cannot overflow.
        y = torch.where(ratio > 1e8, w.abs().log() - math.log(self.beta / 2), ratio.asinh())
        return torch.copysign(y, w)

    def _inverse(self, y: Tensor) -> Tensor:
        half = (y.abs() / 2).exp()
        large = torch.copysign(half * (self.beta / 2) * half, y)
        return torch.where(y.abs() > 20, large, self.beta * y.sinh())

    def curvature(self, w: Tensor) -> Tensor:
        """Return 1/sqrt(w^2 + beta^2) for each entry."""
        return 1 / torch.hypot(w, torch.full_like(w, self.beta))

    def _gap(self, a: Tensor, b: Tensor) -> Tensor:
        m, beta, u, v = self._scaled(a, b)
        far = u * (self._mirror(a) - self._mirror(b)) + torch.hypot(v, beta) - torch.hypot(u, beta)
        return torch.where((u - v).abs() <= 0.5, remainder(self.curvature, b, a - b), m * far)


def directional_divergence(
    a: Tensor, b: Tensor, p: float | Potential, dim: Dim = (-2, -1)
) -> Tensor:
    r"""Return the divergence of two directions, :math:`D_\psi(a/\|a\|, b/\|b\|)`.

    The paper's measure of how far a direction a is from a direction b. It is NaN
    where a or b is zero and so has no direction.

    Parameters
    ----------
    a, b : Tensor
        Parameters with any leading batch axes, broadcast against each other.
    p : float or Potential
        The exponent of `LpPotential`, or another potential that has a norm.
    dim : int or tuple of int
        The axes of one parameter: the last two for a matrix W, -1 for a vector v.

    Examples
    --------
    >>> W = torch.tensor([[3.0, 0.0], [0.0, 4.0]])
    >>> directional_divergence(W, 10 * W, p=2.0)
    tensor(0.)
    >>> directional_divergence(W, -W, p=2.0)
    tensor(2.)
    """
    psi = p if isinstance(p, Potential) else LpPotential(p)
    unit_a = a / psi.norm(a, dim=dim, keepdim=True)
    unit_b = b / psi.norm(b, dim=dim, keepdim=True)
    return psi.divergence(unit_a, unit_b, dim=dim)

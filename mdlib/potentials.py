r"""Potentials: the convex functions whose gradients are the mirror maps.

A potential :math:`\psi` turns weights into dual weights and back,

.. math:: y = \nabla\psi(w), \qquad w = (\nabla\psi)^{-1}(y),

and measures distance by its Bregman divergence

.. math:: D_\psi(a, b) = \psi(a) - \psi(b) - \langle \nabla\psi(b), a - b \rangle .

This file is the ground floor: it needs torch alone. Half-precision input is computed in float32.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

Dim = int | tuple[int, ...] | None
Map = Callable[[Tensor], Tensor]


class Potential(ABC):
    """A differentiable, strictly convex function of a parameter.

    A subclass gives `value`, `mirror` and `inverse`; `divergence` follows. `norm` and `dual_norm`
    exist where the potential has a norm of its own. `mdlib.check_potential` tests a new one.

    ``dim`` names the axes that make up one parameter; ``None`` means all of them. ``separable``
    says that the maps act on each entry alone.

    Examples
    --------
    >>> class Cosh(Potential):
    ...     def value(self, w, dim=None):
    ...         return torch.cosh(w).sum(dim)
    ...     def mirror(self, w):
    ...         return torch.sinh(w)
    ...     def inverse(self, y):
    ...         return torch.asinh(y)
    >>> w = torch.tensor([0.5, -1.0], dtype=torch.float64)
    >>> torch.allclose(Cosh().inverse(Cosh().mirror(w)), w)
    True
    """

    separable: ClassVar[bool] = False

    @abstractmethod
    def value(self, w: Tensor, dim: Dim = None) -> Tensor:
        """Return the potential of ``w``, summed over ``dim``."""

    @abstractmethod
    def mirror(self, w: Tensor) -> Tensor:
        """Return the dual point: the gradient of the potential at ``w``."""

    @abstractmethod
    def inverse(self, y: Tensor) -> Tensor:
        """Return the point whose dual is ``y``."""

    def divergence(self, a: Tensor, b: Tensor, dim: Dim = None) -> Tensor:
        """Return the Bregman divergence D(a, b): how far ``a`` lies from ``b``."""
        slope = (self.mirror(b) * (a - b)).sum(dim)
        return self.value(a, dim) - self.value(b, dim) - slope

    def norm(self, w: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the norm that belongs to this potential."""
        raise NotImplementedError(f"{self} has no norm of its own; leave normalize=False")

    def dual_norm(self, g: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the dual of `norm`, the one that measures gradients."""
        raise NotImplementedError(f"{self} has no dual norm of its own; leave normalize=False")

    def _checked(self, x: Tensor) -> Tensor:
        if not isinstance(x, Tensor):
            raise TypeError(
                f"{self} works on torch tensors, got {type(x).__name__}; "
                "wrap it: torch.as_tensor(..., dtype=torch.float64)"
            )
        if not x.is_floating_point():
            raise TypeError(
                f"{self} needs real floating-point entries, got {x.dtype}; convert with .double()"
            )
        return x


class _Entrywise(torch.autograd.Function):
    """Apply ``f`` entry by entry, differentiated by the formula ``slope``.

    Autograd through abs, pow and where would meet 0 * inf = NaN at 0; the formulas do not.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, f: Map, slope: Map) -> Tensor:
        return f(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Map, Map], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0])
        ctx.slope = inputs[2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,) = ctx.saved_tensors
        return _times(grads[0], ctx.slope(x)), None, None


class _EntrywiseDivergence(torch.autograd.Function):
    """The divergence of each entry, with the gradients of its definition."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, b: Tensor, potential: SeparablePotential) -> Tensor:
        return potential._gap(a, b)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(inputs[0], inputs[1])
        ctx.potential = inputs[2]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (a, b), psi, grad = ctx.saved_tensors, ctx.potential, grads[0]
        to_a = grad * (psi.mirror(a) - psi.mirror(b))
        to_b = grad * _times(b - a, psi.curvature(b))
        return to_a, to_b, None


def _times(grad: Tensor, slope: Tensor) -> Tensor:
    """Multiply, with 0 * inf = 0: where no gradient arrives, none leaves."""
    return torch.where(grad == 0, torch.zeros_like(slope), grad * slope)


class SeparablePotential(Potential):
    r"""A potential that is a sum of one-variable functions, :math:`\sum_j \phi(w_j)`.

    The divergence is computed entry by entry without the cancellation of its definition: for
    entries close to each other by Taylor's remainder in integral form,

    .. math:: D(a, b) = (a - b)^2 \int_0^1 (1 - t)\, \phi''(b + t (a - b))\, dt ,

    whose quadrature has no negative term; for entries far apart in closed form. So it is never
    negative, and exact to a few ulp even where a and b differ in the last digits only.
    """

    separable: ClassVar[bool] = True

    @abstractmethod
    def _phi(self, w: Tensor) -> Tensor: ...

    @abstractmethod
    def _mirror(self, w: Tensor) -> Tensor: ...

    @abstractmethod
    def _inverse(self, y: Tensor) -> Tensor: ...

    @abstractmethod
    def _gap(self, a: Tensor, b: Tensor) -> Tensor: ...

    @abstractmethod
    def curvature(self, w: Tensor) -> Tensor:
        """Return the second derivative of the potential at each entry of ``w``."""

    def value(self, w: Tensor, dim: Dim = None) -> Tensor:
        """Return the potential of ``w``, summed over ``dim``; its gradient is `mirror`."""
        return self._entrywise(w, self._phi, self.mirror, dim)

    def mirror(self, w: Tensor) -> Tensor:
        """Return the dual point, entry by entry; shape, dtype and device of ``w``."""
        return self._entrywise(w, self._mirror, self.curvature)

    def inverse(self, y: Tensor) -> Tensor:
        """Return the point whose dual is ``y``; shape, dtype and device of ``y``."""
        return self._entrywise(y, self._inverse, lambda y: 1 / self.curvature(self._inverse(y)))

    def divergence(self, a: Tensor, b: Tensor, dim: Dim = None) -> Tensor:
        """Return the divergence D(a, b), summed over ``dim``: never negative, 0 iff a = b."""
        a, b = self._checked(a), self._checked(b)
        dtype = torch.promote_types(a.dtype, b.dtype)
        wide = torch.promote_types(dtype, torch.float32)
        a, b = a.to(wide), b.to(wide)
        shape = torch.broadcast_shapes(a.shape, b.shape)  # type: ignore[no-untyped-call]
        gap: Tensor = _EntrywiseDivergence.apply(a.expand(shape), b.expand(shape), self)  # type: ignore[no-untyped-call]
        return gap.sum(dim).to(dtype)

    def _entrywise(self, x: Tensor, f: Map, slope: Map, *dim: Dim) -> Tensor:
        wide = torch.promote_types(self._checked(x).dtype, torch.float32)
        y: Tensor = _Entrywise.apply(x.to(wide), f, slope)  # type: ignore[no-untyped-call]
        return (y.sum(*dim) if dim else y).to(x.dtype)


# Nodes and weights of the 12-point Gauss-Legendre rule on [0, 1]. Two entries within half of the
# larger one keep the singularity of phi'' three half-widths away: the rule is exact to rounding.
_ABSCISSAE, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_NODES = (1 + _ABSCISSAE) / 2


def _remainder(curvature: Map, b: Tensor, step: Tensor) -> Tensor:
    """Taylor's remainder of second order: the divergence of b + step from b, for a short step."""
    mean = torch.zeros_like(step)
    for t, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        mean += weight / 2 * (1 - t) * curvature(b + t * step)
    return step * mean * step


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
        From the methods, for tensors that are not real floating point.

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
        object.__setattr__(self, "p", float(self.p))
        if not (math.isfinite(self.p) and self.p > 1):
            raise ValueError(
                f"p must be a finite number above 1, got {self.p}; "
                "p = 1.05 is close to l_1 and p = 20 is close to l_inf"
            )

    @property
    def q(self) -> float:
        """The conjugate exponent p / (p - 1)."""
        return 1.0 + self._inverse_power

    @property
    def _inverse_power(self) -> float:
        return float(1 / (Fraction(str(self.p)) - 1))

    @property
    def _mirror_power(self) -> float:
        return float(Fraction(str(self.p)) - 1)

    def _phi(self, w: Tensor) -> Tensor:
        return w.abs() / self.p * _power(w.abs(), self._mirror_power)

    def _mirror(self, w: Tensor) -> Tensor:
        return torch.copysign(_power(w.abs(), self._mirror_power), w)

    def _inverse(self, y: Tensor) -> Tensor:
        return torch.copysign(_power(y.abs(), self._inverse_power), y)

    def curvature(self, w: Tensor) -> Tensor:
        """Return (p - 1)|w|^(p - 2) for each entry; infinite at 0 for p < 2."""
        return self._mirror_power * w.abs().pow(float(Fraction(str(self.p)) - 2))

    def _gap(self, a: Tensor, b: Tensor) -> Tensor:
        # D(a, b) = m^p D(a/m, b/m): on the unit scale nothing can overflow on the way.
        m = torch.maximum(a.abs(), b.abs())
        safe = torch.where(m == 0, torch.ones_like(m), m)
        u, v, step = a / safe, b / safe, (a - b) / safe  # u - v would round away a short step
        far = u.abs().pow(self.p) / self.p + v.abs().pow(self.p) / self.q - self._mirror(v) * u
        unit = torch.where(step.abs() <= 0.5, _remainder(self.curvature, v, step), far)
        half = m.pow(self.p / 2)  # m^p in two factors, as m^p alone may leave the range
        return torch.where(a == b, torch.zeros_like(unit), unit * half * half)

    def norm(self, w: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the l_p norm of ``w`` over ``dim``."""
        return _lp_norm(self._checked(w), self.p, dim, keepdim)

    def dual_norm(self, g: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the l_q norm of ``g`` over ``dim``, q = p/(p-1)."""
        return _lp_norm(self._checked(g), self.q, dim, keepdim)


def _power(x: Tensor, e: float) -> Tensor:
    """x**e for x >= 0; small integer and half-integer exponents without the slow general pow."""
    if e <= 0 or e > 32 or not (2 * e).is_integer():
        return x.pow(e)
    whole, half = int(e), e != int(e)
    result = x.sqrt() if half else None
    while whole:
        if whole & 1:
            result = x if result is None else result * x
        whole >>= 1
        if whole:
            x = x * x
    assert result is not None
    return result


def _lp_norm(w: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor:
    """The l_p norm, with the largest entry taken out first: |w|^p alone may leave the range."""
    wide = w.to(torch.promote_types(w.dtype, torch.float32))
    if w.numel() == 0:
        return _vector_norm(wide, p, dim, keepdim).to(w.dtype)
    largest = wide.detach().abs().amax(dim=() if dim is None else dim, keepdim=True)
    largest = torch.where(largest == 0, torch.ones_like(largest), largest)
    unit = _vector_norm(wide / largest, p, dim, keepdim)
    return (unit * largest.reshape(unit.shape)).to(w.dtype)


def _vector_norm(w: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(w, p, dim=dim, keepdim=keepdim)
    return norm


@dataclass(frozen=True)
class NegativeEntropy(SeparablePotential):
    r"""The negative entropy :math:`\psi(w) = \sum_j w_j \log w_j - w_j` on the nonnegative orthant.

    Mirror map log w, inverse exp y: mirror descent becomes the multiplicative-weights update. The
    divergence is the generalised Kullback-Leibler divergence. An entry at 0 has dual -inf and
    stays at 0. Norm l_1, dual norm l_inf: the pair in which entropy is strongly convex on the
    simplex.

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
        near = (a - b).abs() <= 0.5 * torch.maximum(a, b)
        far = torch.where(a > 0, a * (a.log() - b.log() - 1), torch.zeros_like(a)) + b
        gap = torch.where(near, _remainder(self.curvature, b, a - b), far)
        return torch.where(a == b, torch.zeros_like(gap), gap)

    def norm(self, w: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the l_1 norm of ``w`` over ``dim``."""
        return _lp_norm(self._checked(w), 1, dim, keepdim)

    def dual_norm(self, g: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the largest absolute entry of ``g`` over ``dim``."""
        return _lp_norm(self._checked(g), math.inf, dim, keepdim)


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
        object.__setattr__(self, "beta", float(self.beta))
        if not (math.isfinite(self.beta) and self.beta > 0):
            raise ValueError(f"beta must be a finite positive number, got {self.beta}")

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
        return torch.where((u - v).abs() <= 0.5, _remainder(self.curvature, b, a - b), m * far)


def directional_divergence(
    a: Tensor, b: Tensor, p: float | Potential, dim: Dim = (-2, -1)
) -> Tensor:
    r"""Return the divergence of two directions, :math:`D_\psi(a/\|a\|, b/\|b\|)`.

    The paper's measure of how far a direction a is from a direction b (its Section 3). It is NaN
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

r"""Potential: what mirror descent asks of a geometry, and exact Bregman divergences.

A potential :math:`\psi` is a convex function whose gradient, the mirror map, turns weights into
dual weights and back,

.. math:: y = \nabla\psi(w), \qquad w = (\nabla\psi)^{-1}(y),

and which measures distance by its Bregman divergence

.. math:: D_\psi(a, b) = \psi(a) - \psi(b) - \langle \nabla\psi(b), a - b \rangle .

Half-precision input is computed in float32. The potentials themselves are in
`mdlib.geometry.potentials`.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from mdlib.geometry.entrywise import Map, entrywise, times
from mdlib.geometry.identity import constructed
from mdlib.geometry.norms import Dim


class Potential(ABC):
    """A differentiable, strictly convex function of a parameter.

    A subclass gives `value`, `mirror` and `inverse`; `divergence` follows. `norm` and `dual_norm`
    exist where the potential has a norm of its own. `mdlib.check_potential` tests a new one.

    ``dim`` names the axes that make up one parameter; ``None`` means all of them. ``separable``
    says that the maps act on each entry alone.

    A saved optimizer knows its potential by the `identity`: the class and the arguments it was
    built from. So what makes two potentials differ belongs into the constructor's arguments.

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

    _built: str | None = None

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Note what the potential is built from, before anything is computed from it."""
        self = super().__new__(cls)
        with contextlib.suppress(TypeError):  # __init__ says it better; unpickling passes nothing
            object.__setattr__(self, "_built", constructed(cls, args, kwargs))
        return self

    @property
    def identity(self) -> str:
        """What the potential was built from, whole: equal in every process, and for no other one.

        Examples
        --------
        >>> from mdlib import Hypentropy
        >>> Hypentropy(1).identity
        'Hypentropy(beta=1.0)'
        """
        return self._built or repr(self)

    def __repr__(self) -> str:
        return self._built or f"{type(self).__name__}()"

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
        raise NotImplementedError(f"{self} has no norm of its own; use normalize=False")

    def dual_norm(self, g: Tensor, dim: Dim = None, keepdim: bool = False) -> Tensor:
        """Return the dual of `norm`, the one that measures gradients."""
        raise NotImplementedError(f"{self} has no dual norm of its own; use normalize=False")

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
        to_b = grad * times(b - a, psi.curvature(b))
        return to_a, to_b, None


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
        return self._entrywise(y, self._inverse, lambda y: 1 / self.curvature(self.inverse(y)))

    def divergence(self, a: Tensor, b: Tensor, dim: Dim = None) -> Tensor:
        """Return the divergence D(a, b), summed over ``dim``: never negative, 0 iff a = b."""
        a, b = self._checked(a), self._checked(b)
        dtype = torch.promote_types(a.dtype, b.dtype)
        # Single precision would lose the digits that p near 1 cancels; Apple's GPU has no double.
        wide = torch.float32 if a.device.type == "mps" else torch.float64
        a, b = a.to(wide), b.to(wide)
        shape = torch.broadcast_shapes(a.shape, b.shape)  # type: ignore[no-untyped-call]
        gap: Tensor = _EntrywiseDivergence.apply(a.expand(shape), b.expand(shape), self)  # type: ignore[no-untyped-call]
        return gap.sum(dim).to(dtype)

    def _entrywise(self, x: Tensor, f: Map, slope: Map, *dim: Dim) -> Tensor:
        wide = torch.promote_types(self._checked(x).dtype, torch.float32)
        y = entrywise(x.to(wide), f, slope)
        return (y.sum(*dim) if dim else y).to(x.dtype)


# Nodes and weights of the 12-point Gauss-Legendre rule on [0, 1]. Two entries within half of the
# larger one keep the singularity of phi'' three half-widths away: the rule is exact to rounding.
_ABSCISSAE, _WEIGHTS = np.polynomial.legendre.leggauss(12)
_NODES = (1 + _ABSCISSAE) / 2


def remainder(curvature: Map, b: Tensor, step: Tensor) -> Tensor:
    """Taylor's remainder of second order: the divergence of b + step from b, for a short step."""
    mean = torch.zeros_like(step)
    for t, weight in zip(_NODES.tolist(), _WEIGHTS.tolist(), strict=True):
        mean += weight / 2 * (1 - t) * curvature(b + t * step)
    return step * mean * step

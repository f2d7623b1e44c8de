"""check_potential: the properties that mirror descent relies on, tried on any object.

The library's tests run this grid over its own potentials; readers run it on theirs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mdlib.geometry.potential import Potential

_POINTS = 8  # independent parameters a property is tried on


@dataclass(frozen=True)
class Check:
    """One property of a potential, tried on random points.

    Attributes
    ----------
    name : str
        The property, as a formula or a sentence.
    excess : float
        The largest violation in units of what rounding explains; up to 1 is a pass.
    detail : str
        What went wrong, if the property could not be computed at all.
    """

    name: str
    excess: float
    detail: str = ""

    @property
    def passed(self) -> bool:
        """Whether the property holds up to rounding; NaN does not pass."""
        return self.excess <= 1.0


def check_potential(
    potential: Potential,
    *,
    shape: tuple[int, ...] = (5,),
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    verbose: bool = True,
) -> list[Check]:
    r"""Try every property that mirror descent relies on; print the grid and return it.

    Test points are drawn in the dual space and mapped back, so they lie in the potential's domain
    whatever it is. What counts as rounding follows from how strongly ``inverse`` itself amplifies
    the last digit.

    Parameters
    ----------
    potential : Potential
        The object under test.
    shape : tuple of int
        Shape of one parameter.
    dtype : torch.dtype
        Precision of the test points.
    seed : int
        Seed of the test points.
    verbose : bool
        Print one line a property.

    Returns
    -------
    list of Check

    Examples
    --------
    >>> from mdlib import LpPotential
    >>> grid = check_potential(LpPotential(p=1.5))
    ok    inverse(mirror(w)) = w
    ok    mirror(inverse(y)) = y
    ok    mirror is the gradient of value
    ok    <mirror(a) - mirror(b), a - b> > 0
    ok    D(a, b) > 0, and D(a, a) = 0
    ok    D(a, b) = value(a) - value(b) - <mirror(b), a - b>
    ok    D(a, c) = D(a, b) + D(b, c) + <mirror(b) - mirror(c), a - b>
    ok    finite input never gives NaN
    ok    shape and dtype are kept
    ok    |<w, g>| <= norm(w) dual_norm(g)
    >>> class Wrong(LpPotential):  # p where p - 1 belongs
    ...     def _inverse(self, y):
    ...         return torch.copysign(y.abs() ** (1 / self.p), y)
    >>> [check.name for check in check_potential(Wrong(p=1.5), verbose=False) if not check.passed]
    ['inverse(mirror(w)) = w', 'mirror(inverse(y)) = y']
    """
    points = _Points(potential, shape, dtype, seed)
    names = [name for name in _PROPERTIES if _applies(name, points)]
    grid = [_try(name, _PROPERTIES[name], points) for name in names]
    if verbose:
        for check in grid:
            print(f"{'ok' if check.passed else 'FAIL':<6}{check.name}{check.detail}")
    return grid


class _Points:
    """The potential under test with random points of its domain, (_POINTS, *shape) each."""

    def __init__(
        self, psi: Potential, shape: tuple[int, ...], dtype: torch.dtype, seed: int
    ) -> None:
        generator = torch.Generator("cpu").manual_seed(seed)
        size = (_POINTS, *shape)
        self.psi, self.dtype, self.dim = psi, dtype, tuple(range(1, len(size)))
        self.eps = torch.finfo(dtype).eps
        self.duals = []
        for _ in range(3):
            # Moderate magnitudes: p = 1.05 raises them to the 20th power.
            drawn = torch.rand(size, generator=generator, dtype=torch.float64, device="cpu")
            magnitude = 0.7 + 0.8 * drawn
            drawn = torch.rand(size, generator=generator, dtype=torch.float32, device="cpu")
            sign = torch.where(drawn < 0.5, -1.0, 1.0)
            self.duals.append((sign * magnitude).to(dtype))

    @property
    def primals(self) -> list[Tensor]:
        return [self.psi.inverse(y) for y in self.duals]

    def inner(self, y: Tensor, w: Tensor) -> Tensor:
        """The inner product of each pair, in float64."""
        return (y.double() * w.double()).sum(self.dim)

    def divergence(self, a: Tensor, b: Tensor) -> Tensor:
        return self.psi.divergence(a, b, dim=self.dim).double()


def _excess(error: Tensor, allowed: Tensor) -> float:
    """The largest error in units of the allowed one; NaN if any is."""
    ratio = torch.where(error == 0, 0.0, error.double() / allowed.double())
    return float(ratio.max())


def _round_trip_from_primal(at: _Points) -> float:
    return _round_trip(at.psi.mirror, at.psi.inverse, at.primals[0], at.eps)


def _round_trip_from_dual(at: _Points) -> float:
    return _round_trip(at.psi.inverse, at.psi.mirror, at.duals[0], at.eps)


def _round_trip(
    there: Callable[[Tensor], Tensor], back: Callable[[Tensor], Tensor], x: Tensor, eps: float
) -> float:
    image = there(x)
    again = back(image)
    last_digit = (back(image * (1 + 4 * eps)) - again).abs()  # what rounding the image does
    return _excess((again - x).abs(), 4 * (last_digit + eps * x.abs()))


def _gradient(at: _Points) -> float:
    w = at.primals[0].detach().requires_grad_()
    (slope,) = torch.autograd.grad(at.psi.value(w, dim=at.dim).sum(), w)
    y = at.psi.mirror(w.detach())
    return _excess((slope - y).abs(), 64 * at.eps * (y.abs() + 1))


def _monotone(at: _Points) -> float:
    a, b, _ = at.primals
    rise = at.inner(at.psi.mirror(a) - at.psi.mirror(b), a - b)
    return 0.0 if bool((rise[_apart(at, a, b)] > 0).all()) else torch.inf


def _divergence_sign(at: _Points) -> float:
    a, b, _ = at.primals
    own = at.divergence(a, a)
    zero = bool((own.abs() <= 64 * at.eps * _size(at, a, a)).all())
    gap = at.divergence(a, b)
    # A coarse dtype may round a tiny divergence to 0; it may not turn it around.
    tiny = at.divergence(a.double(), b.double()) <= torch.finfo(at.dtype).tiny
    return 0.0 if zero and bool(((gap > 0) | (tiny & (gap == 0))).all()) else torch.inf


def _apart(at: _Points, a: Tensor, b: Tensor) -> Tensor:
    """Which pairs differ, they and their images: a coarse dtype may round two points into one."""
    return ((a != b) & (at.psi.mirror(a) != at.psi.mirror(b))).any(-1).reshape(_POINTS, -1).any(-1)


def _divergence_definition(at: _Points) -> float:
    a, b, _ = at.primals
    value = at.psi.value(a, dim=at.dim).double() - at.psi.value(b, dim=at.dim).double()
    defined = value - at.inner(at.psi.mirror(b), a - b)
    return _excess((at.divergence(a, b) - defined).abs(), 64 * at.eps * _size(at, a, b))


def _three_points(at: _Points) -> float:
    a, b, c = at.primals
    cross = at.inner(at.psi.mirror(b) - at.psi.mirror(c), a - b)
    gap = at.divergence(a, c) - at.divergence(a, b) - at.divergence(b, c) - cross
    return _excess(gap.abs(), 64 * at.eps * (_size(at, a, c) + _size(at, a, b) + _size(at, b, c)))


def _size(at: _Points, a: Tensor, b: Tensor) -> Tensor:
    """The size of the terms in the definition of D(a, b): what its rounding is relative to."""
    values = at.psi.value(a, dim=at.dim).abs() + at.psi.value(b, dim=at.dim).abs()
    return values.double() + at.inner(at.psi.mirror(b).abs(), a.abs() + b.abs())


def _never_nan(at: _Points) -> float:
    info = torch.finfo(at.dtype)
    sizes = [0.0, info.smallest_normal / 2, info.smallest_normal, 1.0, 1e4, info.max]
    for extreme in (sign * size for size in sizes for sign in (1, -1)):
        x = torch.tensor([extreme], dtype=at.dtype, device="cpu")
        images = [at.psi.inverse(x)]
        with contextlib.suppress(ValueError):  # a point outside the domain is refused, not mapped
            images += [at.psi.mirror(x), at.psi.value(x)]
        if any(bool(image.isnan().any()) for image in images):
            return torch.inf
    return 0.0


def _shape_and_dtype(at: _Points) -> float:
    y = at.duals[0]
    w = at.psi.inverse(y)
    images = [w, at.psi.mirror(w)]
    kept = all(x.shape == y.shape and x.dtype == y.dtype for x in images)
    value = at.psi.value(w, dim=at.dim)
    return 0.0 if kept and value.shape == (_POINTS,) and value.dtype == y.dtype else torch.inf


def _hoelder(at: _Points) -> float:
    w, g = at.primals[0], at.duals[1]
    bound = at.psi.norm(w, dim=at.dim).double() * at.psi.dual_norm(g, dim=at.dim).double()
    return _excess((at.inner(g, w).abs() - bound).clamp_min(0), 64 * at.eps * bound)


_HOELDER = "|<w, g>| <= norm(w) dual_norm(g)"
_PROPERTIES: dict[str, Callable[[_Points], float]] = {
    "inverse(mirror(w)) = w": _round_trip_from_primal,
    "mirror(inverse(y)) = y": _round_trip_from_dual,
    "mirror is the gradient of value": _gradient,
    "<mirror(a) - mirror(b), a - b> > 0": _monotone,
    "D(a, b) > 0, and D(a, a) = 0": _divergence_sign,
    "D(a, b) = value(a) - value(b) - <mirror(b), a - b>": _divergence_definition,
    "D(a, c) = D(a, b) + D(b, c) + <mirror(b) - mirror(c), a - b>": _three_points,
    "finite input never gives NaN": _never_nan,
    "shape and dtype are kept": _shape_and_dtype,
    _HOELDER: _hoelder,
}


def _applies(name: str, at: _Points) -> bool:
    """A potential without a norm of its own is not asked for Hoelder's inequality."""
    if name != _HOELDER:
        return True
    try:
        at.psi.dual_norm(at.duals[0], dim=at.dim)
    except NotImplementedError:
        return False
    return True


def _try(name: str, prop: Callable[[_Points], float], at: _Points) -> Check:
    """Run one property; a potential that raises fails it, and the grid goes on."""
    try:
        return Check(name, prop(at))
    except Exception as error:
        return Check(name, torch.inf, f"  ({type(error).__name__}: {error})")

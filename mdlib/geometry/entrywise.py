"""Entrywise maps: powers that are exact and fast, and gradients by formula instead of autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

Map = Callable[[Tensor], Tensor]

PIECE = 1 << 17  # entries; a few float32 arrays of them fit in a core's cache


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
        return times(grads[0], ctx.slope(x)), None, None


def entrywise(x: Tensor, f: Map, slope: Map) -> Tensor:
    """Apply ``f`` entry by entry, with ``slope`` as its gradient where gradients are recorded."""
    if not torch.is_grad_enabled():
        return f(x)  # autograd's bookkeeping takes longer than f of a small x
    y: Tensor = _Entrywise.apply(x, f, slope)  # type: ignore[no-untyped-call]
    return y


def times(grad: Tensor, slope: Tensor) -> Tensor:
    """Multiply, with 0 * inf = 0: where no gradient arrives, none leaves."""
    return torch.where(grad == 0, torch.zeros_like(slope), grad * slope)


def signed_power(x: Tensor, e: float) -> Tensor:
    """sign(x)|x|^e, which at 0 keeps the sign of the zero."""
    return x.clone() if e == 1 else power_(x.abs(), e).copysign_(x)


def power_(x: Tensor, e: float) -> Tensor:
    """x**e for x >= 0, in place; small half-integer exponents without the slow general pow."""
    if e <= 0 or e > 32 or not (2 * e).is_integer():
        return x.pow_(e)
    whole, half = int(e), e != int(e)
    result = x.sqrt() if half else None
    while whole:
        last = whole == 1
        if whole & 1:
            factor = x if last else x.clone()
            result = factor if result is None else result.mul_(factor)
        whole >>= 1
        if not last:
            x.mul_(x)
    assert result is not None
    return result


def is_large(w: Tensor) -> bool:
    """Whether a map that reads and writes w several times leaves the cache, and w may be cut.

    A subclass may not: the pieces of a DTensor, for one, are copies.
    """
    return w.numel() > PIECE and w.device.type == "cpu" and w.is_contiguous() and is_plain(w)


def is_plain(w: Tensor) -> bool:
    """Whether w is torch's own tensor, of no subclass."""
    return type(w) in (Tensor, torch.nn.Parameter)

"""Powers and l_p norms of tensors: fast for the exponents in use, exact at any scale."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mdlib.geometry.potential import Dim, entrywise

PIECE = 1 << 17  # entries; a few float32 arrays of them fit in a core's cache


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


def lp_norm(w: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor:
    """The l_p norm, with the largest entry taken out first: |w|^p alone may leave the range."""
    wide = w.to(torch.promote_types(w.dtype, torch.float32))
    if w.numel() == 0:
        return _unit_norm(wide, 1, dim, keepdim).to(w.dtype)  # nothing has norm 0 for every p
    largest = wide.detach().abs().amax(dim=() if dim is None else dim, keepdim=True)
    unit = _unit_norm(wide / largest.masked_fill(largest == 0, 1.0), p, dim, keepdim)
    return (unit * largest.reshape(unit.shape)).to(w.dtype)


def _unit_norm(w: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor:
    """The l_p norm of entries within -1 and 1, one of them at the end (or all of them 0)."""
    if p in (1, 2, math.inf):
        norm: Tensor = torch.linalg.vector_norm(w, p, dim=dim, keepdim=keepdim)
        return norm
    if dim is None and is_large(w) and not torch.is_grad_enabled():
        sums = [power_(u.abs(), p).sum() for u in torch.split(w.view(-1), PIECE)]
        total = torch.stack(sums).sum().view((1,) * w.ndim if keepdim else ())
        return total.clamp_min(1).pow(1 / p)
    powers = entrywise(w, lambda u: power_(u.abs(), p), lambda u: p * signed_power(u, p - 1))
    return powers.sum(dim, keepdim).clamp_min(1).pow(1 / p)


def is_large(w: Tensor) -> bool:
    """Whether a map that reads and writes w several times leaves the cache, and w may be cut."""
    return w.device.type == "cpu" and w.numel() > PIECE and w.is_contiguous()

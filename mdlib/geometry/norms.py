"""The l_p norm of a tensor, at any scale, for 1 <= p <= inf."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from mdlib.geometry.entrywise import PIECE, entrywise, is_large, power_, signed_power
from mdlib.geometry.shards import is_distributed, local, of_all_shards

Dim = int | tuple[int, ...] | None


def lp_norm(w: Tensor, p: float, dim: Dim, keepdim: bool) -> Tensor:
    """The l_p norm, with the largest entry taken out first: |w|^p alone may leave the range."""
    if dim is None and is_distributed(w):
        parts = of_all_shards(lp_norm(local(w), p, None, False), w)
        return lp_norm(parts, p, None, False).view((1,) * w.ndim if keepdim else ())
    if p == math.inf and w.numel() and not torch.is_grad_enabled():
        return _largest(w, dim, keepdim)
    wide = w.to(torch.promote_types(w.dtype, torch.float32))
    if w.numel() == 0:
        return _unit_norm(wide, 1, dim, keepdim).to(w.dtype)  # nothing has norm 0 for every p
    largest = _largest(wide.detach(), dim, keepdim=True)
    unit = _unit_norm(wide / largest.masked_fill(largest == 0, 1.0), p, dim, keepdim)
    return (unit * largest.reshape(unit.shape)).to(w.dtype)


def _largest(w: Tensor, dim: Dim, keepdim: bool) -> Tensor:
    """The largest size of an entry; of a large tensor without a copy of it."""
    if dim is None and is_large(w):
        ends: Tensor = torch.stack(torch.aminmax(w)).abs().amax()
        return ends.view((1,) * w.ndim if keepdim else ())
    return w.abs().amax(dim=() if dim is None else dim, keepdim=keepdim)


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

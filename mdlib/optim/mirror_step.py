"""One step of mirror descent on one parameter, in pieces that stay in the processor's cache."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from mdlib.geometry import Potential
from mdlib.geometry.entrywise import PIECE, is_large
from mdlib.geometry.norms import lp_norm
from mdlib.geometry.shards import is_distributed, local, on_each_shard

Length = tuple[Tensor, Tensor] | None


class MirrorStep:
    """The step that one parameter is about to take.

    Parameters
    ----------
    param, grad, dual : Tensor
        Of one shape.
    momentum : Tensor, optional
    group : dict
        The options.
    """

    def __init__(
        self,
        param: Tensor,
        grad: Tensor,
        dual: Tensor,
        momentum: Tensor | None,
        group: dict[str, Any],
    ) -> None:
        self.param, self._group, self._potential = local(param), group, group["potential"]
        tensors = [param, grad, dual] if momentum is None else [param, grad, dual, momentum]
        self._pieces = _pieces([local(x) for x in tensors], self._potential.separable)
        self._length = _length(grad.to(dual.dtype), self._potential) if group["normalize"] else None
        self.follow()

    def follow(self) -> None:
        """Bring the dual up to date with the parameter; this may raise, and moves no weight."""
        self._settled = [follow(piece[0], piece[2], self._potential) for piece in self._pieces]

    def take(self) -> None:
        """Move the parameter and its state."""
        for piece, settled in zip(self._pieces, self._settled, strict=True):
            _take(*piece, settled=settled, length=self._length, group=self._group)


def _take(
    param: Tensor,
    grad: Tensor,
    dual: Tensor,
    momentum: Tensor | None = None,
    *,
    settled: bool,
    length: Length,
    group: dict[str, Any],
) -> None:
    potential, lr = group["potential"], float(group["lr"])
    before = None if settled else dual.clone()
    grad = grad.to(dual.dtype)
    if length is not None:
        largest, norm = length
        grad = (grad / largest).div_(norm)
    if momentum is not None:
        grad = momentum.mul_(group["momentum"]).add_(grad)
    if group["weight_decay"]:
        dual.mul_(1 - lr * group["weight_decay"])
    dual.add_(grad, alpha=lr if group["maximize"] else -lr)
    w = potential.inverse(dual)
    if before is not None:  # a weight that is not the image of its dual waits until that moves
        moved = dual != before
        w = torch.where(moved if potential.separable else moved.any(), w.to(param.dtype), param)
    param.copy_(w)


def follow(param: Tensor, dual: Tensor, potential: Potential) -> bool:
    """Bring the dual up to date where somebody changed the parameter since the last step.

    Returns whether the parameter is the image of its dual to the last bit. It is not before its
    first step: the way to the dual and back rounds, and the dual of a weight may leave the range
    (of float32 for p = 20 from 0.004 downwards).
    """
    left = potential.inverse(dual)  # what the last step wrote, before it was rounded
    if torch.equal(left.to(param.dtype), param):
        return True
    # Another device may compute the last bits of the inverse otherwise: that is no change.
    slack = left.abs() * (8 * torch.finfo(dual.dtype).eps)
    same = (param >= (left - slack).to(param.dtype)) & (param <= (left + slack).to(param.dtype))
    if not (potential.separable or same.all()):
        same = torch.zeros_like(same)
    dual.copy_(torch.where(same, dual, potential.mirror(param.to(dual.dtype))))
    return False


def _length(grad: Tensor, potential: Potential) -> tuple[Tensor, Tensor]:
    """The dual norm of a gradient in two factors; their product may leave the dtype's range.

    Those of a zero gradient are 1, so that it stays zero.
    """
    largest = lp_norm(grad, math.inf, None, False)
    largest = largest.masked_fill(largest == 0, 1)
    norm = potential.dual_norm(on_each_shard(lambda g: g / largest, grad))
    if is_distributed(norm):
        norm = norm.full_tensor()  # type: ignore[attr-defined]
    return largest, norm.masked_fill(norm == 0, 1)


def _pieces(tensors: list[Tensor], separable: bool) -> list[tuple[Tensor, ...]]:
    """Cut a large parameter and its state; only where the maps are entrywise.

    Every map reads and writes its entries several times.
    """
    if not (separable and all(map(is_large, tensors))):
        return [tuple(tensors)]
    return list(zip(*(torch.split(tensor.view(-1), PIECE) for tensor in tensors), strict=True))


def sharing_memory(params: list[Tensor]) -> set[int]:
    """Return the places of those parameters whose memory another one overlaps."""
    spans = sorted((*_span(w), i) for i, w in enumerate(params) if w.numel() and not w.is_meta)
    shared: set[int] = set()
    reach, owner = -1, -1  # the furthest end so far, and whose it is
    for start, end, i in spans:
        if start < reach:
            shared |= {owner, i}
        if end > reach:
            reach, owner = end, i
    return shared


def _span(w: Tensor) -> tuple[int, int]:
    entries = w.numel()
    if not w.is_contiguous():
        entries = 1 + sum((n - 1) * s for n, s in zip(w.shape, w.stride(), strict=True))
    return w.data_ptr(), w.data_ptr() + entries * w.itemsize

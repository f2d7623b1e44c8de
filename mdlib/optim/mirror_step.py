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
    group : dict
        The options.
    *tensors : Tensor
        The parameter, its gradient, its dual, and its momentum if it has one.
    """

    def __init__(self, group: dict[str, Any], *tensors: Tensor) -> None:
        grad, dual = tensors[1:3]
        self._group, self._potential = group, group["potential"]
        wanted = group["normalize"]
        self._length = _length(grad.to(dual.dtype), self._potential) if wanted else None
        if is_distributed(grad):
            tensors = tuple(map(local, tensors))
        self.param = tensors[0]
        self._pieces = _pieces(tensors, self._potential.separable)
        self.follow()

    def follow(self) -> None:
        """Bring the dual up to date with the parameter; this may raise, and moves no weight."""
        self._settled = [_follow(piece[0], piece[2], self._potential) for piece in self._pieces]

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
    if before is not None:  # a weight that is not the image of its dual stays until that moves
        moved = dual != before
        w = torch.where(moved if potential.separable else moved.any(), w, param)
    param.copy_(w)


def _follow(param: Tensor, dual: Tensor, potential: Potential) -> bool:
    """Bring the dual up to date where somebody changed the parameter since the last step.

    Returns whether the parameter is the image of its dual to the last bit. Before its first step
    it is not: the way to the dual and back rounds, and the dual of a weight may leave the range
    (of float32, if p = 20, for weights below 0.004).
    """
    image = potential.inverse(dual)  # what the last step wrote, before it was rounded
    if torch.equal(image.to(param.dtype), param):
        return True
    # Another device may compute the last bits of the inverse otherwise: that is no change.
    slack = image.abs().mul_(8 * torch.finfo(dual.dtype).eps)
    low, high = (image - slack).to(param.dtype), (image + slack).to(param.dtype)
    if torch.maximum(low - param, param - high).amax() <= 0:  # ten times as fast as comparisons
        return False
    changed = ~((low <= param) & (param <= high))
    where = changed.nonzero(as_tuple=True) if potential.separable and param.ndim else ...
    dual[where] = potential.mirror(param[where].to(dual.dtype))
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


def _pieces(tensors: tuple[Tensor, ...], separable: bool) -> list[tuple[Tensor, ...]]:
    """Cut a large parameter and its state, where the maps are entrywise.

    Every map reads and writes its entries several times.
    """
    if not (separable and all(map(is_large, tensors))):
        return [tensors]
    return list(zip(*(torch.split(tensor.view(-1), PIECE) for tensor in tensors), strict=True))


def sharing_memory(params: list[Tensor]) -> set[int]:
    """Return the places of those parameters whose memory another one overlaps."""
    shared: set[int] = set()
    reach = owner = -1  # the furthest end so far, and whose it is
    for start, i in sorted((w.data_ptr(), i) for i, w in enumerate(params)):
        end = start + _extent(params[i])
        if 0 < start < reach:  # at 0 there is no memory
            shared |= {owner, i}
        if end > reach:
            reach, owner = end, i
    return shared


def _extent(w: Tensor) -> int:
    """How many bytes lie between the first entry of w and the end of its last."""
    if w.is_contiguous():
        return w.nbytes
    return (1 + sum((n - 1) * s for n, s in zip(w.shape, w.stride(), strict=True))) * w.itemsize

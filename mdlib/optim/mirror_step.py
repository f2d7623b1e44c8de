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
        state = [dual] if momentum is None else [dual, momentum]
        tensors = [self.param, *map(local, [grad, *state])]
        self._pieces = _pieces(tensors, self._potential.separable)
        wanted = group["normalize"]
        self._length = _length(grad.to(dual.dtype), self._potential) if wanted else None
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
    waiting = None if settled else _Waiting(param, dual, potential)
    grad = grad.to(dual.dtype)
    if length is not None:
        largest, norm = length
        grad = (grad / largest).div_(norm)
    if momentum is not None:
        grad = momentum.mul_(group["momentum"]).add_(grad)
    if group["weight_decay"]:
        dual.mul_(1 - lr * group["weight_decay"])
    dual.add_(grad, alpha=lr if group["maximize"] else -lr)
    param.copy_(potential.inverse(dual))
    if waiting:
        waiting.put_back(param, dual)


class _Waiting:
    """The weights that are not the image of their dual: they stay until that moves."""

    def __init__(self, param: Tensor, dual: Tensor, potential: Potential) -> None:
        odd = potential.inverse(dual).to(param.dtype) != param
        self._where, self._separable = _places(odd, potential), potential.separable
        self._weights, self._duals = param[self._where], dual[self._where]
        if self._where is ...:  # that copies nothing
            self._weights, self._duals = self._weights.clone(), self._duals.clone()

    def put_back(self, param: Tensor, dual: Tensor) -> None:
        moved = dual[self._where] != self._duals
        if not self._separable:
            moved = moved.any()
        param[self._where] = torch.where(moved, param[self._where], self._weights)


def _places(mask: Tensor, potential: Potential) -> Any:
    """The index of the entries in a mask; of all of them where they belong together."""
    return mask.nonzero(as_tuple=True) if potential.separable and mask.ndim else ...


def _follow(param: Tensor, dual: Tensor, potential: Potential) -> bool:
    """Bring the dual up to date where somebody changed the parameter since the last step.

    Returns whether the parameter is the image of its dual to the last bit. Before its first step
    it is not: the way to the dual and back rounds, and the dual of a weight may leave the range
    (of float32, if p = 20, for weights below 0.004).
    """
    image = potential.inverse(dual)  # what the last step wrote, before it was rounded
    if torch.equal(image.to(param.dtype), param):
        return True
    where = _places(image.to(param.dtype) != param, potential)
    w, image = param[where], image[where]
    # Another device may compute the last bits of the inverse otherwise: that is no change.
    slack = image.abs() * (8 * torch.finfo(dual.dtype).eps)
    same = (w >= (image - slack).to(w.dtype)) & (w <= (image + slack).to(w.dtype))
    if same.all():
        return False
    if where is not ...:
        where = tuple(index[~same] for index in where)
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


def _pieces(tensors: list[Tensor], separable: bool) -> list[tuple[Tensor, ...]]:
    """Cut a large parameter and its state, where the maps are entrywise.

    Every map reads and writes its entries several times.
    """
    if not (separable and all(map(is_large, tensors))):
        return [tuple(tensors)]
    return list(zip(*(torch.split(tensor.view(-1), PIECE) for tensor in tensors), strict=True))


def sharing_memory(params: list[Tensor]) -> set[int]:
    """Return the places of those parameters whose memory another one overlaps."""
    spans = sorted((*_span(w), i) for i, w in enumerate(params) if w.numel() and not w.is_meta)
    shared: set[int] = set()
    reach = owner = -1  # the furthest end so far, and whose it is
    for start, end, i in spans:
        if start < reach:
            shared |= {owner, i}
        if end > reach:
            reach, owner = end, i
    return shared


def _span(w: Tensor) -> tuple[int, int]:
    """Where the memory of w begins and ends."""
    entries = w.numel()
    if not w.is_contiguous():
        entries = 1 + sum((n - 1) * s for n, s in zip(w.shape, w.stride(), strict=True))
    start = w.data_ptr()
    return start, start + entries * w.itemsize

"""Shards: a tensor that several processes hold in parts, torch's DTensor.

An entrywise map works on this process's part; a norm of the whole is the norm of the parts' norms.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from mdlib.geometry.entrywise import is_plain


def is_distributed(x: Tensor) -> bool:
    """Whether x is a DTensor. Asked by its mark: importing the class would take its time."""
    return not is_plain(x) and hasattr(x, "device_mesh")


def is_sharded(x: Tensor) -> bool:
    """Whether this process holds a part of a DTensor only."""
    return not all(place.is_replicate() for place in _distributed(x).placements)


def local(x: Tensor) -> Tensor:
    """The part of x that this process holds, in x's own memory."""
    return _distributed(x).to_local() if is_distributed(x) else x


def on_each_shard(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply an entrywise map to x, each process to its part."""
    if not is_distributed(x):
        return f(x)
    whole = _distributed(x)
    layout = {"shape": whole.shape, "stride": whole.stride(), "run_check": False}
    mapped: Tensor = whole.from_local(f(local(x)), whole.device_mesh, whole.placements, **layout)
    return mapped


def laid_out_as(x: Tensor, like: Tensor) -> Tensor:
    """Return a DTensor in the parts in which ``like`` is held: sums finished, pieces exchanged."""
    if _distributed(x).placements != _distributed(like).placements:
        return _distributed(x).redistribute(placements=_distributed(like).placements)  # type: ignore[no-any-return]
    return x


def of_all_shards(number: Tensor, x: Tensor) -> Tensor:
    """Return what each process computed of its part of x, one number each, to all of them."""
    from torch.distributed.tensor import Shard  # late: whoever has no DTensor is spared its import

    whole = _distributed(x)
    places = [place if place.is_replicate() else Shard(0) for place in whole.placements]
    numbers = whole.from_local(number.view(1), whole.device_mesh, places, run_check=False)
    gathered: Tensor = numbers.full_tensor()
    return gathered


def _distributed(x: Tensor) -> Any:
    return x  # of a class that torch's stubs know only where it was imported

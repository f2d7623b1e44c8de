"""The options of MirrorDescent and the tensors it takes: what is refused, and what is saved."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mdlib.geometry import Potential
from mdlib.geometry.shards import is_sharded


def check_group(group: dict[str, Any]) -> None:
    """Refuse a group whose options are out of range, or whose parameters are not real."""
    for param in group["params"]:
        if not param.is_floating_point():
            raise TypeError(
                f"MirrorDescent needs real floating-point parameters, got {param.dtype}; "
                "split complex weights with torch.view_as_real"
            )
    potential = group["potential"]
    if not isinstance(potential, Potential):
        raise TypeError(
            f"potential must be a Potential such as LpPotential(1.5), got {potential!r}"
        )
    if isinstance(group["lr"], Tensor) and group["lr"].numel() != 1:
        raise ValueError(f"lr must be one number, got a tensor of shape {tuple(group['lr'].shape)}")
    if not 0.0 <= group["lr"] < float("inf"):
        raise ValueError(f"lr must be finite and >= 0, got {group['lr']}")
    if not 0.0 <= group["momentum"] < 1.0:
        raise ValueError(f"momentum must lie in [0, 1), got {group['momentum']}")
    if not 0.0 <= group["weight_decay"] < float("inf"):
        raise ValueError(f"weight_decay must be finite and >= 0, got {group['weight_decay']}")
    if group["normalize"] and type(potential).dual_norm is Potential.dual_norm:
        raise ValueError(
            f"normalize=True needs a dual norm: {potential} has none of its own; "
            "use normalize=False"
        )


def check_decay(group: dict[str, Any]) -> None:
    """Refuse a weight decay that the learning rate of this step makes too large."""
    shrink = float(group["lr"]) * group["weight_decay"]
    if shrink >= 1:
        raise ValueError(
            f"lr * weight_decay must stay below 1, got {shrink}: decay would turn the dual around"
        )


def check_saved(group: dict[str, Any], ours: Potential) -> None:
    """Refuse a saved group of another potential."""
    saved = saved_name(group.get("potential"))
    if saved != ours.identity:
        raise ValueError(
            f"the state was saved with {saved}, this optimizer uses {ours.identity}; "
            "build it with the same potential before loading"
        )


def check_whole(param: Tensor, potential: Potential) -> None:
    """Refuse a sharded parameter whose entries belong together."""
    if is_sharded(param) and not potential.separable:
        raise ValueError(
            f"{potential} needs a parameter as a whole, and one of shape {tuple(param.shape)} is "
            "sharded; keep it in one piece, or give its group a separable potential"
        )


def saved_name(potential: Any) -> Any:
    """Return what stands for a potential in a saved state."""
    return potential.identity if isinstance(potential, Potential) else potential


def dense(grad: Tensor) -> Tensor:
    """Return a gradient; refuse a sparse one."""
    if grad.layout != torch.strided:
        raise RuntimeError(
            f"MirrorDescent does not support sparse gradients, got layout {grad.layout}; "
            "use sparse=False in the embedding"
        )
    return grad

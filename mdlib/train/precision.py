"""Mixed precision, only where it is faster."""

from __future__ import annotations

from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]


def choose_precision(precision: Precision, device: torch.device) -> Literal["float32", "bfloat16"]:
    """Return the precision that matrix products will have on a device.

    "auto" is bfloat16 on a GPU that computes in it, and float32 everywhere else, so that results
    on a CPU do not depend on its model.

    Raises
    ------
    ValueError
        If bfloat16 is asked of a device that would only imitate it, which is many times slower.

    Examples
    --------
    >>> choose_precision("auto", torch.device("cpu"))
    'float32'
    """
    if precision not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"precision must be auto, float32 or bfloat16, got {precision!r}")
    if precision == "auto":
        return "bfloat16" if device.type == "cuda" and _computes_bfloat16(device) else "float32"
    if precision == "bfloat16" and not _computes_bfloat16(device):
        raise ValueError(
            f"this {device.type} has no bfloat16 arithmetic and would be many times slower with "
            "it; use precision='auto'"
        )
    return precision


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """Return the context that computes in a precision that `choose_precision` returned."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


def _computes_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type == "cpu":
        # Older versions of torch cannot tell; there float32 is the safe answer.
        features: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        return bool(features.get("avx512_bf16") or features.get("amx_bf16"))
    return False

"""The exponent p as people hand it over: any real number, read as the decimal that it shows."""

from __future__ import annotations

from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np
from torch import Tensor


def exponent(p: Any) -> float:
    """Return p as a float.

    Python's and numpy's numbers, fractions, and tensors or arrays of one entry will do. A short
    float is read as it is printed: ``np.float32(1.1)`` is 1.1, not 1.100000023841858.

    Raises
    ------
    TypeError
        If p is not one real number.

    Examples
    --------
    >>> import torch
    >>> exponent(np.float32(1.1)), exponent(np.int64(3)), exponent(torch.tensor(1.5))
    (1.1, 3.0, 1.5)
    """
    if isinstance(p, Tensor) and p.numel() == 1:
        p = (p.detach().float() if p.itemsize < 4 else p.detach()).cpu().numpy()
    if isinstance(p, np.ndarray) and p.size == 1:
        p = p.reshape(())[()]
    if isinstance(p, np.floating):
        return float(str(p))
    if isinstance(p, Integral | Real | Decimal):
        return float(p)
    raise TypeError(f"p must be a real number such as 1.5, got {p!r}")

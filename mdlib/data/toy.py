"""Toy problems: the paper's random generator, draw by draw.

It returns plain tensors and imports nothing else of mdlib: `AttentionProblem.random` stands on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def gaussian_tokens(
    n: int, T: int, d: int, seed: int | Sequence[int]
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw tokens X, labels y, queries z and a decoder v as in the paper's experiments.

    From one ``torch.Generator`` a seed, in float32 and in this order: v = randn(d); y from the
    sign of randn(n); X = randn(n, T, d); z = randn(n, d). Every vector is then divided by its
    l_2 norm, and all is cast to float64.

    Parameters
    ----------
    n, T, d : int
        Number of inputs, tokens an input, dimensions a token.
    seed : int or sequence of int
        A sequence stacks one problem a seed along a leading batch axis.

    Returns
    -------
    X (..., n, T, d), y (..., n), z (..., n, d), v (..., d) : float64 tensors on the CPU

    Raises
    ------
    ValueError
        If n, T or d is below 1, or the sequence of seeds is empty.

    Examples
    --------
    >>> X, y, z, v = gaussian_tokens(n=6, T=8, d=10, seed=[1, 2, 3])
    >>> X.shape, v.shape
    (torch.Size([3, 6, 8, 10]), torch.Size([3, 10]))
    """
    if min(n, T, d) < 1:
        raise ValueError(f"n, T and d must be at least 1, got n={n}, T={T}, d={d}")
    if isinstance(seed, int | np.integer):
        return _draw(n, T, d, int(seed))
    if len(seed) == 0:
        raise ValueError("seed is an empty sequence; give at least one seed")
    draws = [_draw(n, T, d, s) for s in seed]
    X, y, z, v = (torch.stack(part) for part in zip(*draws, strict=True))
    return X, y, z, v


def _draw(n: int, T: int, d: int, seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(int(seed))

    def randn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float32)

    v = randn(d)
    y = torch.where(randn(n) >= 0, 1.0, -1.0)
    X = randn(n, T, d)
    z = randn(n, d)
    v, X, z = (x / torch.linalg.vector_norm(x, dim=-1, keepdim=True) for x in (v, X, z))
    return X.double(), y.double(), z.double(), v.double()

"""Axes of a tensor: the last ones are a weight's own, the leading ones a batch of problems."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

MATRIX = (-2, -1)  # the axes of one W


def one_axis(x: Tensor, batch: Sequence[int], axes: int) -> Tensor:
    """Broadcast all but the last ``axes`` axes of x to ``batch``, and join them into one.

    Examples
    --------
    >>> import torch
    >>> one_axis(torch.zeros(3, 1, 5), batch=(2, 3, 4), axes=1).shape
    torch.Size([24, 5])
    """
    last = x.shape[x.ndim - axes :]
    return x.expand(*batch, *last).reshape(-1, *last)

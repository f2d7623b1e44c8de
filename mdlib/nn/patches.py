"""Images cut into patches, as sequences of tokens for `mdlib.AttentionProblem`."""

from __future__ import annotations

import torch
from torch import Tensor


def patch_tokens(images: Tensor, size: int, stride: int, position: float = 1.0) -> Tensor:
    """Cut images into square patches: one token a patch, its pixels first, its place after them.

    Parameters
    ----------
    images : Tensor (..., height, width)
    size, stride : int
        Side of a patch, and the step from one to the next, in pixels.
    position : float
        Length of the one-hot vector that tells a token its place; 0 leaves it out, and makes the
        sequence a bag.

    Returns
    -------
    Tensor (..., T, d), patches row by row as in `patch_corners`; d = size**2 + T, or size**2

    Raises
    ------
    ValueError
        If a patch does not fit into the image, or size or stride is below 1.

    Examples
    --------
    >>> images = torch.zeros(357, 8, 8)
    >>> patch_tokens(images, size=4, stride=2).shape
    torch.Size([357, 9, 25])
    """
    height, width = images.shape[-2:]
    if not (1 <= size <= min(height, width) and stride >= 1):
        raise ValueError(
            f"size must lie in 1..{min(height, width)} and stride be at least 1, "
            f"got size={size}, stride={stride}"
        )
    windows = images.unfold(-2, size, stride).unfold(-2, size, stride)
    pixels = windows.flatten(-2).flatten(-3, -2)
    if position == 0:
        return pixels
    T = pixels.shape[-2]
    place = position * torch.eye(T, dtype=images.dtype, device=images.device)
    return torch.cat([pixels, place.expand(*pixels.shape[:-1], T)], dim=-1)


def patch_corners(height: int, width: int, size: int, stride: int) -> list[tuple[int, int]]:
    """Return the (row, column) of each patch's top left pixel, in the order of `patch_tokens`.

    Examples
    --------
    >>> patch_corners(8, 8, size=4, stride=4)
    [(0, 0), (0, 4), (4, 0), (4, 4)]
    """
    rows = range(0, height - size + 1, stride)
    columns = range(0, width - size + 1, stride)
    return [(row, column) for row in rows for column in columns]

"""Real images as token sequences: scikit-learn's handwritten digits, cut into patches.

The digits ship with scikit-learn (1,797 images of 8 x 8 pixels, from the test part of Alpaydin and
Kaynak's optical recognition data), so they are there offline.
"""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits
from torch import Tensor


def digit_pair(positive: int, negative: int) -> tuple[Tensor, Tensor]:
    """Return the images of two digits, and labels +1 for the first and -1 for the second.

    Returns
    -------
    images : float64 tensor (N, 8, 8), from 0 (paper) to 1 (ink)
    y : float64 tensor (N,)

    Raises
    ------
    ValueError
        If the two are not different digits from 0 to 9.

    Examples
    --------
    >>> images, y = digit_pair(3, 8)
    >>> images.shape, int((y > 0).sum())
    (torch.Size([357, 8, 8]), 183)
    """
    if not {positive, negative} <= set(range(10)) or positive == negative:
        raise ValueError(f"need two different digits from 0 to 9, got {positive} and {negative}")
    digits = load_digits()
    chosen = (digits.target == positive) | (digits.target == negative)
    images = torch.from_numpy(digits.images[chosen] / 16)
    y = torch.from_numpy(digits.target[chosen] == positive).double() * 2 - 1
    return images, y


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
    >>> images, _ = digit_pair(3, 8)
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

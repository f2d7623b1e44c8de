"""Patches of images as tokens, for `VisionTransformer` and for `mdlib.AttentionProblem`."""

from __future__ import annotations

import torch
from torch import Tensor


def patchify(images: Tensor, patch: int) -> Tensor:
    r"""Cut images into square patches, row by row: one token a patch.

    With t = r W/p + c for the patch in row r and column c,

    .. math:: x_{t,\,(k p + i) p + j} = \mathrm{images}_{k,\; r p + i,\; c p + j}.

    Parameters
    ----------
    images : Tensor (..., channels, H, W)
    patch : int
        Side of a patch, p; divides H and W.

    Returns
    -------
    Tensor (..., T, channels p^2)
        T = H W / p^2; within a token channel by channel, each row by row.

    Raises
    ------
    ValueError
        If the patches do not fill the image.

    Examples
    --------
    >>> images = torch.arange(16).reshape(1, 4, 4)
    >>> patchify(images, 2).tolist()
    [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    """
    height, width = images.shape[-2:]
    if patch < 1 or height % patch or width % patch:
        raise ValueError(
            f"patches of side {patch} do not fill an image of {height} x {width}; take a divisor "
            "of both, or resize the image"
        )
    return _cut(images, patch, patch)


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
    pixels = _cut(images.unsqueeze(-3), size, stride)
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


def _cut(images: Tensor, size: int, stride: int) -> Tensor:
    """(..., channels, H, W) to (..., T, channels size^2), patches row by row."""
    windows = images.unfold(-2, size, stride).unfold(-2, size, stride)  # (..., k, r, c, i, j)
    return windows.movedim(-5, -3).flatten(-3).flatten(-3, -2)

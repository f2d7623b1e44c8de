"""Images as examples to train on: resized, their pixels about zero, moved at random if asked."""

from __future__ import annotations

from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from mdlib.data.images.labelled import ImageData
from mdlib.train import Arrays
from mdlib.train.examples import Batch


class Pictures(Arrays):
    """Images of one data set; a batch is of float32 pixels from -1 to 1.

    They are kept as bytes and turned into numbers batch by batch.

    Parameters
    ----------
    data : ImageData
    side : int, optional
        Of the square images that a batch holds, by bilinear interpolation; by default their own.
    augment : bool
        Move each image each time by up to an eighth of its side in both directions, black coming
        in, and mirror every second one, by draws from torch's global generator.

    Examples
    --------
    >>> images = torch.full((3, 1, 4, 4), 255, dtype=torch.uint8)
    >>> data = ImageData("white", images, torch.tensor([0, 1, 1]), ("a", "b"))
    >>> (pixels,), labels = Pictures(data, side=6).collate(torch.tensor([2, 0]))
    >>> pixels.shape, float(pixels.min()), labels
    (torch.Size([2, 1, 6, 6]), 1.0, tensor([1, 0]))
    """

    def __init__(self, data: ImageData, side: int | None = None, augment: bool = False) -> None:
        super().__init__(data.images, data.labels)
        self.side, self.augment = side or data.images.shape[-1], augment

    def collate(self, indices: Tensor) -> Batch:
        """Return ((pixels,), labels), pixels (B, channels, side, side)."""
        (images,), labels = super().collate(indices)
        pixels = (_moved(images) if self.augment else images).float() / 127.5 - 1
        if self.side != pixels.shape[-1]:
            pixels = F.interpolate(pixels, (self.side, self.side), mode="bilinear", antialias=True)
        return (pixels,), labels

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the images and labels, and what is done to them."""
        return f"{super().fingerprint} side={self.side} augment={self.augment}"


def _moved(images: Tensor) -> Tensor:
    """Each image shifted, and mirrored or not."""
    count, _, side, _ = images.shape
    reach = side // 8
    padded = F.pad(images, (reach,) * 4)
    windows = padded.unfold(2, side, 1).unfold(3, side, 1)  # (B, C, down, right, side, side)
    down, right = torch.randint(2 * reach + 1, (2, count))
    moved = windows[torch.arange(count), :, down, right]
    mirrored = torch.rand(count) < 0.5
    return torch.where(mirrored[:, None, None, None], moved.flip(-1), moved)

"""Labelled images, and a part of them held out without drawing lots."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mdlib.data.labelled import Labelled


@dataclass(frozen=True, repr=False, eq=False)
class ImageData(Labelled):
    """Images with their labels.

    Attributes
    ----------
    name : str
        Of the data set and the part; where a data set has several versions, of the version too.
    images : uint8 tensor (n, channels, height, width)
    labels : int64 tensor (n,)
    classes : tuple of str
        What the labels 0, 1, ... stand for.

    Examples
    --------
    >>> images = torch.zeros(3, 1, 8, 8, dtype=torch.uint8)
    >>> data = ImageData("three", images, torch.tensor([0, 1, 1]), ("cat", "dog"))
    >>> data
    three: 3 images of 1 x 8 x 8, 2 classes
    >>> data[[2, 0]].labels
    tensor([1, 0])
    """

    name: str
    images: Tensor
    labels: Tensor
    classes: tuple[str, ...]

    columns: ClassVar = ("images",)

    def __repr__(self) -> str:
        shape = " x ".join(map(str, self.images.shape[1:]))
        return f"{self.name}: {len(self)} images of {shape}, {len(self.classes)} classes"

    def split(self, every: int = 10) -> tuple[ImageData, ImageData]:
        """Hold out every tenth image of each class, or another share, counted in their order.

        Nothing is drawn, so the parts are the same for everybody, and each class loses the same
        share of its images, to within one.

        Parameters
        ----------
        every : int
            At least 2; the last of each so many images of a class is held out.

        Returns
        -------
        rest, held_out : ImageData
            Each in the order of the data.

        Raises
        ------
        ValueError
            If every is below 2, or no class has so many images.

        Examples
        --------
        >>> images = torch.arange(6, dtype=torch.uint8).reshape(6, 1, 1, 1)
        >>> data = ImageData("six", images, torch.tensor([0, 1, 0, 1, 1, 1]), ("a", "b"))
        >>> rest, held_out = data.split(every=2)
        >>> rest.images.flatten().tolist(), held_out.images.flatten().tolist()
        ([0, 1, 4], [2, 3, 5])
        """
        if every < 2:
            raise ValueError(f"every must be at least 2, got {every}")
        held_out = torch.zeros(len(self), dtype=torch.bool)
        for label in range(len(self.classes)):
            held_out[(self.labels == label).nonzero().flatten()[every - 1 :: every]] = True
        if not held_out.any():
            raise ValueError(f"no class of {self} has {every} images; hold out more than 1/{every}")
        return self.parted(held_out)

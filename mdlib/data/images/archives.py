"""The authors' files of MNIST and CIFAR-10, turned into the files of our layout.

Members are read in memory and never unpacked to disk. Of CIFAR-10 the binary version is read: the
one for Python is a pickle, and to open a pickle is to execute it.
"""

from __future__ import annotations

import gzip
import tarfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdlib.files.fetch import Source, fetch

# LeCun's own page no longer hands them out; this is the copy that torchvision fetches, and the md5
# are those that it expects.
_MNIST_HOST = "https://ossci-datasets.s3.amazonaws.com/mnist/"
MNIST = {
    name: Source(f"{_MNIST_HOST}{name}", f"md5:{md5}")
    for name, md5 in {
        "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
        "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
        "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    }.items()
}
CIFAR10 = Source(
    "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
)
CIFAR10_BATCHES = (*(f"data_batch_{k}" for k in range(1, 6)), "test_batch")
CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def build_mnist(archives: Path) -> dict[str, bytes]:
    """Fetch the four files, which are those of our layout."""
    return {
        f"mnist/{name}": gzip.decompress(fetch(source, archives).read_bytes())
        for name, source in MNIST.items()
    }


def build_cifar10(archives: Path) -> dict[str, bytes]:
    """Fetch the author's archive and take its six batches out of it."""
    return cifar10_batches(fetch(CIFAR10, archives))


def cifar10_batches(archive: Path) -> dict[str, bytes]:
    """Return the batches, byte for byte.

    Raises
    ------
    ValueError
        If the archive lacks one.
    """
    members = {f"cifar-10-batches-bin/{batch}.bin": batch for batch in CIFAR10_BATCHES}
    found = {}
    with tarfile.open(archive, "r|*") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content and member.name in members:
                found[f"cifar10/{members[member.name]}.bin.gz"] = content.read()
    if absent := [batch for batch in CIFAR10_BATCHES if f"cifar10/{batch}.bin.gz" not in found]:
        raise ValueError(f"{archive} lacks {', '.join(absent)}")
    return found


def read_batch(content: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the images, (N, 3, 32, 32), and labels of a batch: rows of a label, then pixels.

    Examples
    --------
    >>> images, labels = read_batch(bytes([7]) + bytes(range(256)) * 12)
    >>> images.shape, labels, images[0, 1, 0, :3]
    ((1, 3, 32, 32), array([7]), array([0, 1, 2], dtype=uint8))
    """
    rows = np.frombuffer(content, np.uint8).reshape(-1, 1 + 3 * 32 * 32)
    return rows[:, 1:].reshape(-1, 3, 32, 32), rows[:, 0].astype(np.int64)

"""Images: labelled sets, and pairs of digits for the one-layer model."""

from mdlib.data.images.labelled import ImageData
from mdlib.data.images.sets import digit_pair, load_cifar10, load_digit_images, load_mnist

__all__ = [
    "ImageData",
    "digit_pair",
    "load_cifar10",
    "load_digit_images",
    "load_mnist",
]

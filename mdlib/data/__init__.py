"""Data: labelled texts and images, embedded or fetched by hash, and the examples made of them."""

from mdlib.data.labelled import Labelled, Part

__all__ = ["Labelled", "Part"]

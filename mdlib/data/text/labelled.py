"""Labelled texts, and a part of them held out that shares no near text with the rest."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from mdlib.data.labelled import Labelled
from mdlib.data.text.near_duplicates import held_out_groups, near_groups


@dataclass(frozen=True, repr=False, eq=False)
class TextData(Labelled):
    """Texts with their labels.

    Attributes
    ----------
    name : str
    texts : tuple of str
    labels : int64 tensor (n,)
        1 for positive, 0 for negative.
    run : int
        How many consecutive words two of these texts share if they are near
        (`mdlib.data.text.near_duplicates`).
    also_in : dict from str to bool tensor (n,)
        For each other part of the data set, True where it holds the same text.

    Examples
    --------
    >>> data = TextData("two reviews", ("so good", "so bad"), torch.tensor([1, 0]), run=10)
    >>> data
    two reviews: 2 texts, 1 positive
    >>> data[[1]].texts
    ('so bad',)
    """

    name: str
    texts: tuple[str, ...]
    labels: Tensor
    run: int
    also_in: dict[str, Tensor] = field(default_factory=dict)

    columns: ClassVar = ("texts", "also_in")

    def __repr__(self) -> str:
        shared = [f"{int(rows.sum())} also in {part}" for part, rows in self.also_in.items()]
        counts = [f"{len(self)} texts", f"{int(self.labels.sum())} positive", *shared]
        return f"{self.name}: {', '.join(counts)}"

    def split(self, fraction: float = 0.1, seed: int = 0) -> tuple[TextData, TextData]:
        """Hold out a validation part that shares no near text with the rest.

        Near texts stay together (`mdlib.data.text.near_duplicates`): no run of `run` consecutive
        words, and no whole text, stands on both sides.

        Parameters
        ----------
        fraction : float
            Of the texts, strictly between 0 and 1, to hold out.
        seed : int

        Returns
        -------
        train, validation : TextData
            Each in the order of the data, which for IMDb alternates the classes.

        Raises
        ------
        ValueError
            If fraction is not between 0 and 1, or no group of near texts is that small.

        Examples
        --------
        >>> texts = ("a fine film", "a fine film !", "dull", "long", "loud")
        >>> data = TextData("five", texts, torch.tensor([1, 1, 0, 0, 0]), run=3)
        >>> train, validation = data.split(fraction=0.4)
        >>> train.texts, validation.texts
        (('a fine film', 'a fine film !', 'loud'), ('dull', 'long'))
        """
        held_out = held_out_groups(near_groups(self.texts, self.run), fraction, seed)
        return self.parted(torch.from_numpy(held_out))

"""Labelled examples: a data set's rows, counted, chosen and parted together with their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import torch
from torch import Tensor

Part = Literal["train", "validation", "test"]


class Labelled:
    """What texts, images and sequences of ids have in common; each is a frozen dataclass.

    Attributes
    ----------
    name : str
        Of the data set and the part.
    labels : int64 tensor (n,)
    columns : tuple of str
        The other fields that hold something for each example.
    """

    name: str
    labels: Tensor
    columns: ClassVar[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, rows: Sequence[int] | Tensor) -> Self:
        """Return the examples of these numbers, in this order, or those where a mask is True."""
        rows = torch.as_tensor(rows)
        numbers = rows.nonzero().flatten() if rows.dtype == torch.bool else rows.long()
        chosen = {name: _take(getattr(self, name), numbers) for name in ("labels", *self.columns)}
        return self._changed(**chosen)

    def parted(self, held_out: Tensor) -> tuple[Self, Self]:
        """Return the examples where a mask is False, and those where it is True."""
        rest, part = self[~held_out], self[held_out]
        return (
            rest._changed(name=f"{self.name}, rest"),
            part._changed(name=f"{self.name}, held out"),
        )

    def _changed(self, **fields: Any) -> Self:
        return type(self)(**{**vars(self), **fields})


def _take(column: Any, rows: Tensor) -> Any:
    """The rows of a tensor, a tuple, or each column of a mapping."""
    if isinstance(column, Tensor):
        return column[rows]
    if isinstance(column, Mapping):
        return {name: _take(values, rows) for name, values in column.items()}
    return tuple(column[row] for row in rows.tolist())

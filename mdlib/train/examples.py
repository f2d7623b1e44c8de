"""What `fit` trains on: anything that knows its lengths and makes a batch of chosen examples."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

Batch = tuple[tuple[Tensor, ...], Tensor]


class Examples(Protocol):
    """The contract. Sentences meet it, images, or an own class that augments as it collates.

    An object may also have a string ``fingerprint`` that tells its content from another's; a run
    directory records it. Random choices in ``collate`` are repeated exactly after a restart if
    they are drawn from torch's global generator.
    """

    @property
    def lengths(self) -> Tensor:
        """How long each example is, int (N,): batches are of similar ones. Equal for images."""
        ...

    def collate(self, indices: Tensor) -> Batch:
        """Return the inputs of these examples, to be called as ``model(*inputs)``, and labels."""
        ...


class Sequences:
    """Sequences of token ids; a batch is padded at the end to its longest.

    Parameters
    ----------
    ids : sequence of int sequences
        One for each example, none of them empty.
    labels : int tensor (N,)
        0 or 1 for a model with one logit, 0, ..., K - 1 for one with K.
    padding : int
        The id that fills up.

    Raises
    ------
    ValueError
        If there are no examples, an empty one, or another number of labels.

    Examples
    --------
    >>> examples = Sequences([[2, 7, 5], [2, 9]], labels=[1, 0])
    >>> (ids,), labels = examples.collate(torch.tensor([1, 0]))
    >>> ids.tolist(), labels.tolist()
    ([[2, 9, 0], [2, 7, 5]], [0, 1])
    """

    def __init__(
        self,
        ids: Sequence[Sequence[int] | Tensor],
        labels: Sequence[int] | Tensor,
        padding: int = 0,
    ) -> None:
        self.ids = [torch.as_tensor(one, dtype=torch.int64) for one in ids]
        self.labels, self.padding = torch.as_tensor(labels), padding
        _check_labels(self.labels, len(self.ids))
        self.lengths = torch.tensor([one.numel() for one in self.ids])
        if (empty := int(self.lengths.argmin())) >= 0 and self.lengths[empty] == 0:
            raise ValueError(f"example {empty} is empty; begin every sequence with a [CLS] token")

    def __len__(self) -> int:
        return len(self.ids)

    def collate(self, indices: Tensor) -> Batch:
        """Return ((ids,), labels), ids int64 (B, T) with T the longest length among them."""
        chosen = [self.ids[i] for i in indices.tolist()]
        ids = pad_sequence(chosen, batch_first=True, padding_value=self.padding)
        return (ids,), self.labels[indices]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything the examples hold."""
        return _hash(self.lengths, *self.ids, self.labels, torch.tensor(self.padding))


class Arrays:
    """Inputs of one size, such as images, as one tensor.

    Parameters
    ----------
    inputs : Tensor (N, ...)
    labels : int tensor (N,)

    Raises
    ------
    ValueError
        If there are no examples or another number of labels.

    Examples
    --------
    >>> examples = Arrays(torch.zeros(10, 3, 8, 8), labels=torch.arange(10))
    >>> (images,), labels = examples.collate(torch.tensor([4, 2]))
    >>> images.shape, labels
    (torch.Size([2, 3, 8, 8]), tensor([4, 2]))
    """

    def __init__(self, inputs: Tensor, labels: Sequence[int] | Tensor) -> None:
        self.inputs, self.labels = inputs, torch.as_tensor(labels)
        _check_labels(self.labels, len(inputs))
        self.lengths = torch.ones(len(inputs), dtype=torch.int64)

    def __len__(self) -> int:
        return len(self.inputs)

    def collate(self, indices: Tensor) -> Batch:
        """Return ((inputs,), labels)."""
        return (self.inputs[indices],), self.labels[indices]

    @cached_property
    def fingerprint(self) -> str:
        """A hash of everything the examples hold."""
        return _hash(torch.tensor(self.inputs.shape), self.inputs, self.labels)


def not_finite(examples: Examples, batches: Iterable[Tensor]) -> int | None:
    """Return the first example of these batches with an input that is not finite, if one has.

    Examples
    --------
    >>> points = Arrays(torch.tensor([[0.0, 1.0], [2.0, torch.inf]]), labels=[0, 1])
    >>> not_finite(points, [torch.tensor([1, 0])])
    1
    """
    for batch in batches:
        inputs, _ = examples.collate(batch)
        for one in inputs:
            finite = one.isfinite().reshape(len(batch), -1).all(1)
            if not finite.all():
                return int(batch[~finite.cpu()][0])
    return None


def _check_labels(labels: Tensor, count: int) -> None:
    if count == 0:
        raise ValueError("there are no examples")
    if labels.shape != (count,):
        raise ValueError(f"need one label for each of {count} examples, got {tuple(labels.shape)}")


def _hash(*tensors: Tensor) -> str:
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()

"""The order of an epoch: shuffled, in batches of examples of similar length.

A batch is padded to its longest sequence, so similar lengths waste little. The order is a function
of the seed and the number of the epoch alone: a run that stopped in the middle of an epoch finds
its place again by counting.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def epoch_batches(
    lengths: Tensor, batch_size: int, seed: int, epoch: int, bucket: int = 50
) -> list[Tensor]:
    """Draw the batches of one epoch; every example is in exactly one.

    The examples are shuffled and dealt into pools of ``bucket`` batches. Each pool is sorted by
    length and cut into batches, and the batches of all pools are shuffled.

    Parameters
    ----------
    lengths : int tensor (N,)
    batch_size : int
        Examples of a batch; one batch, of those left over, may have fewer.
    seed, epoch : int
    bucket : int
        Larger pools waste less on padding, smaller ones mix more: 1 is a plain shuffle.

    Returns
    -------
    list of int64 tensors
        The indices of each batch.

    Examples
    --------
    >>> lengths = torch.tensor([9, 3, 8, 2, 9, 3])
    >>> sorted(sorted(lengths[batch].tolist()) for batch in epoch_batches(lengths, 2, 0, 0))
    [[2, 3], [3, 8], [9, 9]]
    """
    draw = np.random.default_rng([seed, epoch])
    order = torch.from_numpy(draw.permutation(len(lengths)))
    batches = []
    for pool in _cut(order, bucket * batch_size):
        batches += _cut(pool[lengths[pool].argsort(stable=True)], batch_size)
    return [batches[i] for i in draw.permutation(len(batches))]


def sorted_batches(lengths: Tensor, batch_size: int) -> list[Tensor]:
    """Cut all examples into batches by length, the longest first: the order of an evaluation.

    Examples
    --------
    >>> [batch.tolist() for batch in sorted_batches(torch.tensor([5, 7, 6]), 2)]
    [[1, 2], [0]]
    """
    return _cut(lengths.argsort(descending=True, stable=True), batch_size)


def _cut(indices: Tensor, size: int) -> list[Tensor]:
    return [indices[start : start + size] for start in range(0, len(indices), size)]

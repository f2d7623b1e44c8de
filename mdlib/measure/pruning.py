"""Magnitude pruning without retraining: the accuracy that survives, and the bytes that are left."""

from __future__ import annotations

import copy
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mdlib.train import Examples, evaluate

M = TypeVar("M", bound=nn.Module)
Scope = Literal["model", "matrix"]


@dataclass(frozen=True)
class Pruned:
    """A point of a pruning curve: what is left of a model without a fraction of its weights.

    Attributes
    ----------
    fraction : float
        Of the weights that were set to 0.
    loss, accuracy : float
        On the data, as `mdlib.train.evaluate` gives them.
    bytes : int
        The `stored_size`.
    """

    fraction: float
    loss: float
    accuracy: float
    bytes: int


def is_matrix(name: str, weights: Tensor) -> bool:
    """Whether a parameter has two axes or more: linear maps and embeddings, no biases, no norms."""
    return weights.ndim >= 2


@torch.no_grad()
def prune(
    model: M,
    fraction: float,
    scope: Scope = "model",
    select: Callable[[str, Tensor], bool] = is_matrix,
) -> M:
    """Return a copy of a model in which the smallest of its weights are 0.

    Of N weights exactly ``round(fraction * N)`` are set to 0, those of least absolute value; of
    equal ones those that come first. Weights that are 0 already are counted among them.

    Parameters
    ----------
    model : nn.Module
    fraction : float
        From 0 to 1.
    scope : {"model", "matrix"}
        Compare all weights of the model, or take the fraction from each parameter by itself.
    select : function
        From the name and the value of a parameter to whether it takes part; by default `is_matrix`.

    Raises
    ------
    ValueError
        For a fraction outside [0, 1], another scope, or no parameter that takes part.

    Examples
    --------
    >>> model = nn.Linear(3, 1)
    >>> _ = model.weight.data.copy_(torch.tensor([[0.5, -0.1, 2.0]]))
    >>> prune(model, fraction=2 / 3).weight.tolist()
    [[0.0, 0.0, 2.0]]
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"fraction must lie in [0, 1], got {fraction}")
    if scope not in ("model", "matrix"):
        raise ValueError(f"scope must be model or matrix, got {scope!r}")
    pruned = copy.deepcopy(model)
    chosen = [param for name, param in pruned.named_parameters() if select(name, param)]
    if not chosen:
        raise ValueError(f"no parameter of {type(model).__name__} is selected; pass another select")
    for group in [chosen] if scope == "model" else [[param] for param in chosen]:
        sizes = torch.cat([param.abs().flatten() for param in group])
        smallest = _smallest(sizes, round(fraction * len(sizes)))
        counts = [param.numel() for param in group]
        for param, gone in zip(group, smallest.split_with_sizes(counts), strict=True):
            param.masked_fill_(gone.view_as(param), 0)
    return pruned


def pruning_curve(
    model: nn.Module,
    data: Examples,
    fractions: Iterable[float],
    scope: Scope = "model",
    batch_size: int = 100,
) -> tuple[Pruned, ...]:
    """Return what is left of a model, fraction by fraction.

    Examples
    --------
    >>> from mdlib.train import Arrays
    >>> model = nn.Linear(2, 2, bias=False)
    >>> _ = model.weight.data.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0]]))
    >>> data = Arrays(torch.eye(2), labels=[0, 1])
    >>> [point.accuracy for point in pruning_curve(model, data, [0, 0.5, 0.75])]
    [1.0, 1.0, 0.5]
    """

    def point(fraction: float) -> Pruned:
        pruned = prune(model, fraction, scope)
        scores = evaluate(pruned, data, batch_size)
        return Pruned(fraction, scores["loss"], scores["accuracy"], stored_size(pruned))

    return tuple(map(point, fractions))


def prunable(curve: Sequence[Pruned], loss: float = 0.01) -> float:
    """Return the fraction of weights that can go before more accuracy than this is lost.

    Between two points of the curve accuracy is taken to be linear; what comes after it has been
    lost once does not count.

    Parameters
    ----------
    curve : sequence of Pruned
        As `pruning_curve` returns it: fractions ascend from 0.
    loss : float
        Of accuracy, from 0 to 1.

    Raises
    ------
    ValueError
        If the curve does not begin with the whole model, or does not ascend.

    Examples
    --------
    >>> accuracies = {0.0: 0.9, 0.5: 0.895, 0.9: 0.795}
    >>> curve = [Pruned(f, loss=0.5, accuracy=a, bytes=100) for f, a in accuracies.items()]
    >>> round(prunable(curve, loss=0.01), 3)
    0.52
    """
    fractions = [float(point.fraction) for point in curve]
    if fractions[:1] != [0.0] or fractions != sorted(set(fractions)):
        raise ValueError(f"fractions must ascend from 0, got {fractions}")
    spare = [point.accuracy - curve[0].accuracy + loss for point in curve]
    for i in range(1, len(curve)):
        if spare[i] < 0:
            part = spare[i - 1] / (spare[i - 1] - spare[i])
            return fractions[i - 1] + part * (fractions[i] - fractions[i - 1])
    return fractions[-1]


def stored_size(model: nn.Module) -> int:
    """Return the bytes of `pack`: a compressed checkpoint in which a 0 costs a bit at most.

    Examples
    --------
    >>> model = nn.Linear(100, 100)
    >>> stored_size(prune(model, 0.9)) < 0.2 * stored_size(model)
    True
    """
    return len(pack(model))


def pack(model: nn.Module) -> bytes:
    """Return all tensors of a model's ``state_dict``, in its order, as few bytes.

    Eight bytes for the length of the first part; then, each compressed by zlib at level 9,

    - a bit for each entry, whether it is other than 0;
    - the entries that are, in the dtype that they have.

    Nothing is lost: the tests read it again, bit for bit.
    """
    tensors = [x.detach().cpu().flatten() for x in model.state_dict().values()]
    there = [x != 0 for x in tensors]
    bits = np.packbits(torch.cat(there).numpy()).tobytes()
    kept = b"".join(_bytes(x[mask]) for x, mask in zip(tensors, there, strict=True))
    where = zlib.compress(bits, 9)
    return len(where).to_bytes(8, "little") + where + zlib.compress(kept, 9)


def _smallest(sizes: Tensor, count: int) -> Tensor:
    """Where the smallest entries are, exactly so many of them; of equal ones the first."""
    if count == 0:
        return torch.zeros_like(sizes, dtype=torch.bool)
    threshold = sizes.kthvalue(count).values
    found = sizes < threshold
    ties = (sizes == threshold).nonzero().flatten()
    found[ties[: count - int(found.sum())]] = True
    return found


def _bytes(values: Tensor) -> bytes:
    return values.contiguous().view(torch.uint8).numpy().tobytes() if len(values) else b""

"""Distribution of the attention weights of a trained network: histogram and sparsity measures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mdlib.nn import SelfAttention

ATTENTION_WEIGHTS = ("query", "key", "value")

# Powers of ten of |w| between which entries are counted; what is smaller goes into the first bin.
EDGES = [k / 4 for k in range(-40, 9)]
TINY = 0.01  # one of these sizes


@dataclass(frozen=True)
class Magnitudes:
    r"""How the absolute values of N weights w are distributed.

    Attributes
    ----------
    counts : tuple of int
        How many lie between :math:`10^{e_k}` and :math:`10^{e_{k+1}}` for the powers e in `EDGES`;
        smaller ones are in the first bin, larger ones in the last.
    small : float
        The share of entries up to a hundredth of the largest.
    zero : float
        The share of exact zeros.
    hoyer : float
        Hoyer's sparseness :math:`(\sqrt N - \|w\|_1 / \|w\|_2) / (\sqrt N - 1)`: 0 where all are
        equally large, 1 where one is alone, or none is left.
    """

    counts: tuple[int, ...]
    small: float
    zero: float
    hoyer: float

    @property
    def tiny(self) -> float:
        """The share of entries below `TINY`. It does not grow where only the largest do."""
        return sum(self.counts[: EDGES.index(math.log10(TINY))]) / sum(self.counts)


def attention_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return all entries of the layers' W_Q, W_K and W_V, one vector each.

    Examples
    --------
    >>> from mdlib.nn import TextClassifier
    >>> model = TextClassifier(vocabulary=9, width=8, layers=2, heads=2, hidden=16)
    >>> {name: len(entries) for name, entries in attention_weights(model).items()}
    {'query': 128, 'key': 128, 'value': 128}
    """
    layers = [
        module.qkv.weight.detach().chunk(3)
        for module in model.modules()
        if isinstance(module, SelfAttention)
    ]
    return {
        name: torch.cat([w.flatten() for w in parts])
        for name, parts in zip(ATTENTION_WEIGHTS, zip(*layers, strict=True), strict=True)
    }


def describe_weights(model: nn.Module) -> dict[str, Magnitudes]:
    """Return how the entries of W_Q, W_K and W_V are distributed.

    Returns
    -------
    dict with the keys "query", "key" and "value"

    Examples
    --------
    >>> from mdlib.nn import TextClassifier
    >>> model = TextClassifier(vocabulary=9, width=8, layers=1, heads=2, hidden=16)
    >>> describe_weights(model)["query"].zero
    0.0
    """
    return {name: magnitudes(w) for name, w in attention_weights(model).items()}


def magnitudes(weights: Tensor) -> Magnitudes:
    """Return how the entries of a vector are distributed.

    Examples
    --------
    >>> found = magnitudes(torch.tensor([0.0, 0.0, 0.0, -2.0]))
    >>> found.zero, found.small, found.hoyer
    (0.75, 0.75, 1.0)
    """
    sizes = weights.abs().double()
    powers = sizes.log10().clamp(EDGES[0], EDGES[-1])  # log 0 is -inf, in the first bin
    counts, _ = torch.histogram(powers, torch.tensor(EDGES, dtype=torch.float64))
    root, norm = len(sizes) ** 0.5, sizes.norm().clamp_min(torch.finfo(torch.float64).tiny)
    return Magnitudes(
        counts=tuple(counts.int().tolist()),
        small=(sizes <= 0.01 * sizes.max()).double().mean().item(),
        zero=(sizes == 0).double().mean().item(),
        hoyer=((root - (sizes.sum() / norm).clamp_min(1)) / (root - 1)).item(),
    )

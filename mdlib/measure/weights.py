"""How the attention weights of a trained network are distributed: histograms and sparsity."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mdlib.nn import SelfAttention

ATTENTION_WEIGHTS = ("query", "key", "value")

# Powers of ten of |w| between which entries are counted; what is smaller goes into the first bin.
EDGES = [k / 4 for k in range(-40, 9)]


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


def describe_weights(model: nn.Module) -> dict[str, dict[str, Any]]:
    r"""Summarise the absolute entries of W_Q, W_K and W_V.

    Returns
    -------
    dict
        For "query", "key" and "value": ``counts``, how many entries lie between
        :math:`10^{e_k}` and :math:`10^{e_{k+1}}` for the powers in `EDGES`, smaller ones in the
        first bin, larger ones in the last; ``small``, the share of entries up to a hundredth of
        the largest; ``zero``, the share of exact zeros; ``hoyer``, the sparseness
        :math:`(\sqrt N - \|w\|_1 / \|w\|_2) / (\sqrt N - 1)`, 0 where all are equal, 1 where one
        is alone, or none is left.

    Examples
    --------
    >>> from mdlib.nn import TextClassifier
    >>> model = TextClassifier(vocabulary=9, width=8, layers=1, heads=2, hidden=16)
    >>> sorted(describe_weights(model)["query"])
    ['counts', 'hoyer', 'small', 'zero']
    """
    return {name: _describe(w.abs().double()) for name, w in attention_weights(model).items()}


def _describe(sizes: Tensor) -> dict[str, Any]:
    powers = sizes.log10().clamp(EDGES[0], EDGES[-1])  # log 0 is -inf, in the first bin
    counts, _ = torch.histogram(powers, torch.tensor(EDGES, dtype=torch.float64))
    root, norm = len(sizes) ** 0.5, sizes.norm().clamp_min(torch.finfo(torch.float64).tiny)
    return {
        "counts": counts.int().tolist(),
        "small": (sizes <= 0.01 * sizes.max()).double().mean().item(),
        "zero": (sizes == 0).double().mean().item(),
        "hoyer": ((root - (sizes.sum() / norm).clamp_min(1)) / (root - 1)).item(),
    }

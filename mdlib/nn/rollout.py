r"""Attention rollout (Abnar and Zuidema, 2020): what reaches a token from the input.

A layer mixes tokens by its attention and passes each on by its residual; both count the same:

.. math:: R_0 = I, \qquad R_l = \tfrac12 (A_l + I)\, R_{l-1},

with A_l the attention weights of layer l, averaged over its heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def attention_rollout(layers: Sequence[Tensor]) -> Tensor:
    """Multiply the layers' attention, residuals included.

    Parameters
    ----------
    layers : sequence of Tensor (..., heads, T, T)
        The weights of each layer from the first on, rows that sum to 1, as the ``attention`` of a
        network in `mdlib.nn` returns them.

    Returns
    -------
    Tensor (..., T, T)
        Row t says which share of token t, after the last layer, each token of the input has. Rows
        sum to 1.

    Raises
    ------
    ValueError
        If there is no layer, or their shapes differ or are no square tables.

    Examples
    --------
    >>> ahead = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])  # all attend to the second token
    >>> attention_rollout([ahead, ahead])
    tensor([[0.2500, 0.7500],
            [0.0000, 1.0000]])
    """
    shapes = {tuple(weights.shape) for weights in layers}
    if len(shapes) != 1 or not _is_square(*shapes):
        raise ValueError(
            "need the weights of at least one layer, all of one shape (..., heads, T, T), got "
            f"{', '.join(map(str, sorted(shapes))) or 'none'}"
        )
    rolled = torch.eye(layers[0].shape[-1], dtype=layers[0].dtype, device=layers[0].device)
    for weights in layers:
        mixed = weights.mean(-3) @ rolled
        rolled = (mixed + rolled) / 2
    return rolled


def _is_square(shape: tuple[int, ...]) -> bool:
    return len(shape) >= 3 and shape[-1] == shape[-2]

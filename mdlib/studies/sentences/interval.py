"""The difference of two accuracies where training draws and test sentences are both samples.

`mdlib.measure.paired` asks only how much the difference varies over the draws. With few draws on
one test set that is the smaller part of what is unknown.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor


class Difference(NamedTuple):
    """A mean difference in percentage points and the half width of its 95 % interval."""

    points: float
    half: float


def crossed_difference(a: Tensor, b: Tensor) -> Difference:
    r"""Compare two methods that were trained on the same draws and tested on the same sentences.

    With :math:`\delta_{rs} = a_{rs} - b_{rs}` for draw r and sentence s, both draws and sentences
    are samples of many more, so the variance of the mean difference is taken as

    .. math:: \frac{\mathrm{var}_r(\bar\delta_{r\cdot})}{R}
              + \frac{\mathrm{var}_s(\bar\delta_{\cdot s})}{S},

    which is a little too large, as each term holds some of the noise of the other. The interval is
    1.96 standard deviations to either side.

    Parameters
    ----------
    a, b : bool tensors (draws, sentences)
        Where each method was right; at least two draws and two sentences.

    Raises
    ------
    ValueError
        If the shapes differ or are too small.

    Examples
    --------
    >>> import torch
    >>> right = torch.tensor([[True, True, False, True], [True, True, False, False]])
    >>> crossed_difference(right, right)
    Difference(points=0.0, half=0.0)
    """
    if a.shape != b.shape or a.ndim != 2 or min(a.shape) < 2:
        raise ValueError(
            f"need two tensors of one shape (draws, sentences), both at least 2; "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    delta = 100 * (a.double() - b.double())
    of_draws, of_sentences = delta.mean(1), delta.mean(0)
    variance = of_draws.var() / len(of_draws) + of_sentences.var() / len(of_sentences)
    return Difference(delta.mean().item(), 1.96 * math.sqrt(variance.item()))

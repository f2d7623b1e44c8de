"""Confidence intervals of paired differences: over seeds, and over seeds and test examples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from torch import Tensor

_ROUNDING = 1e-14  # a spread that is no larger, relative to the mean, comes from rounding


class Difference(NamedTuple):
    """The mean of paired differences, and the ends of its confidence interval."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval lies on one side of 0, else 0: no difference is seen."""
        return (self.low > 0) - (self.high < 0)

    @property
    def points(self) -> str:
        """A difference of shares, with its interval, in percentage points.

        Examples
        --------
        >>> Difference(0.021, -0.002, 0.044).points
        '+2.1 (-0.2 to +4.4)'
        """
        mean, low, high = (100 * x for x in self)
        return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})"


def paired_difference(
    a: Sequence[float] | Tensor, b: Sequence[float] | Tensor, confidence: float = 0.95
) -> Difference:
    r"""Compare two methods on the same n seeds by Student's paired t.

    .. math:: \bar d \pm t_{n-1,\,(1+c)/2}\, \frac{s_d}{\sqrt n}, \qquad d_i = a_i - b_i.

    What a seed does to both alike, an easy split or a lucky start, drops out of the difference.

    Parameters
    ----------
    a, b : sequences of n >= 2 numbers, in the same order of seeds
    confidence : float in (0, 1)

    Raises
    ------
    ValueError
        For other lengths, numbers that are not finite, or a confidence outside (0, 1).

    Examples
    --------
    >>> better = paired_difference([0.83, 0.84, 0.82], [0.81, 0.83, 0.80])
    >>> f"{better.mean:.4f} from {better.low:.4f} to {better.high:.4f}, sign {better.sign}"
    '0.0167 from 0.0023 to 0.0310, sign 1'
    """
    first, second = (np.asarray(x, dtype=np.float64) for x in (a, b))
    if first.ndim != 1 or first.shape != second.shape or len(first) < 2:
        raise ValueError(
            f"need two equally long sequences of at least 2 numbers, got shapes {first.shape} and "
            f"{second.shape}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError(f"numbers must be finite, got {first.tolist()} and {second.tolist()}")
    _check(confidence)
    d = first - second
    mean = float(d.mean())
    if np.abs(d - mean).max() <= _ROUNDING * abs(mean):  # a point; scipy would divide by 0
        return Difference(mean, mean, mean)
    low, high = stats.ttest_rel(first, second).confidence_interval(confidence)
    return Difference(mean, float(low), float(high))


def crossed_difference(a: Tensor, b: Tensor, confidence: float = 0.95) -> Difference:
    r"""Compare two methods on the same R seeds and S test examples, both samples of many more.

    With :math:`\delta_{rs} = a_{rs} - b_{rs}` the variance of the mean difference is taken as

    .. math:: V = V_r + V_s, \qquad V_r = \frac{\mathrm{var}_r(\bar\delta_{r\cdot})}{R}, \quad
              V_s = \frac{\mathrm{var}_s(\bar\delta_{\cdot s})}{S},

    which is a little too large, as each term holds some of the noise of the other. The interval is
    :math:`\bar\delta \pm t_{\nu,\,(1+c)/2} \sqrt V` with Satterthwaite's degrees of freedom

    .. math:: \nu = \frac{V^2}{V_r^2 / (R - 1) + V_s^2 / (S - 1)}:

    Clark's min F' (1973) as an interval. `paired_difference` over the seeds alone forgets that
    other test examples would give another answer. With few seeds on one test set that is the
    larger part of what is unknown.

    Parameters
    ----------
    a, b : bool tensors (R, S)
        Where each method was right; at least two seeds and two examples.
    confidence : float in (0, 1)

    Raises
    ------
    ValueError
        If the shapes differ or are too small, or for a confidence outside (0, 1).

    Examples
    --------
    >>> import torch
    >>> right = torch.tensor([[True, True, False, True], [True, True, False, False]])
    >>> crossed_difference(right, right)
    Difference(mean=0.0, low=0.0, high=0.0)
    """
    if a.shape != b.shape or a.ndim != 2 or min(a.shape) < 2:
        raise ValueError(
            "need two tensors of one shape (seeds, examples), both at least 2; "
            f"got {tuple(a.shape)} and {tuple(b.shape)}"
        )
    _check(confidence)
    delta = a.double() - b.double()
    mean = delta.mean().item()
    variances = [float(x.var()) / len(x) for x in (delta.mean(1), delta.mean(0))]
    if not any(variances):
        return Difference(mean, mean, mean)
    noise = [v**2 / (n - 1) for v, n in zip(variances, delta.shape, strict=True)]
    t = stats.t.ppf((1 + confidence) / 2, sum(variances) ** 2 / sum(noise))
    half = float(t) * sum(variances) ** 0.5
    return Difference(mean, mean - half, mean + half)


def _check(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")

"""How much better one method is than another when both ran with the same seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats
from torch import Tensor


class Difference(NamedTuple):
    """The mean of paired differences, its confidence interval, and the t test's p-value."""

    mean: float
    low: float
    high: float
    pvalue: float

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval lies on one side of 0, else 0: no difference is seen."""
        return (self.low > 0) - (self.high < 0)

    @property
    def points(self) -> str:
        """A difference of shares, with its interval, in percentage points.

        Examples
        --------
        >>> Difference(0.021, -0.002, 0.044, 0.06).points
        '+2.1 (-0.2 to +4.4)'
        """
        mean, low, high = (100 * x for x in (self.mean, self.low, self.high))
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
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie in (0, 1), got {confidence}")
    d = first - second
    n, mean, error = len(d), d.mean(), d.std(ddof=1) / math.sqrt(len(d))
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * error
    # Without spread the interval is a point.
    pvalue = 2 * stats.t.sf(abs(mean) / error, n - 1) if error > 0 else float(mean == 0)
    return Difference(float(mean), float(mean - half), float(mean + half), float(pvalue))

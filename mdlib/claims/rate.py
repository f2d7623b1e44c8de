"""Chapter 8: how fast the direction converges, against the bound and against a heuristic."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from mdlib.claims.form import Measured
from mdlib.claims.ledger import claim
from mdlib.claims.runs import Descent, Svm, goals, long_run, selection
from mdlib.descent.attention import attention_descent
from mdlib.geometry.potentials import directional_divergence
from mdlib.svm import attention_svm

_EXPONENTS = (1.25, 1.5, 1.75, 2, 3, 4)
_QUICK = {"seeds": range(1, 21), "steps": 3000, "pace": 0.1, "exponents": _EXPONENTS}
_PAPER = {"seeds": range(1, 101), "steps": 20_000, "pace": 0.03, "exponents": _EXPONENTS}


class Rate(NamedTuple):
    """The exponent a of D ~ (log t)^-a: median over the seeds, with a 95 per cent interval."""

    a: float
    low: float
    high: float


@lru_cache
def measured_rate(
    descent: Descent, svm: Svm, p: float, seeds: range, steps: int, pace: float
) -> Rate:
    """Fit log D against log log t over the last tenfold of steps, seed by seed.

    From W_0 = 0 with `mdlib.claims.runs.growing` steps. t is the time of the mirror flow, so plain
    steps of a constant eta take k = t / eta of them. Steps too long for the flow stop the progress:
    at p = 4 a pace of 0.1 is short enough for thousands of steps but not for tens of thousands. So
    the long runs have a smaller pace. The interval is of the median over the seeds, by bootstrap.
    """
    record = tuple(sorted({round(steps * 10 ** (-i / 12)) for i in range(13)}))
    run = long_run(descent, p, seeds, record, zero=True, pace=pace)
    far = directional_divergence(run.W, goals(svm, p, seeds, selection(run)), p)
    a = -_slope(run.log_time.log(), far.log())
    drawn = torch.randint(len(a), (1000, len(a)), generator=torch.Generator().manual_seed(0))
    medians = a[drawn].quantile(0.5, dim=-1)
    low, high = medians.quantile(torch.tensor([0.025, 0.975], dtype=a.dtype)).tolist()
    return Rate(a.quantile(0.5).item(), low, high)


def _slope(x: Tensor, y: Tensor) -> Tensor:
    """Least squares, one line for each column."""
    x = x - x.mean(0)
    return (x * y).sum(0) / x.square().sum(0)


@claim(
    key="rate",
    chapter=8,
    place="rate",
    statement="Divergence falls like (log t)^-a, at least as fast as proved: a ≥ min(p - 1, 1)",
    quick=_QUICK,
    paper=_PAPER,
)
def rate(
    seeds: range, steps: int, pace: float, exponents: Sequence[float],
    descent: Descent = attention_descent, svm: Svm = attention_svm,
) -> Iterator[Measured]:  # fmt: skip
    """The lower end of the confidence interval of a, against the paper's exponent.

    The paper bounds the divergence by 1/log k for p >= 2 and 1/(log k)^(p-1) below, up to factors
    of log log k.
    """
    for p in exponents:
        found = measured_rate(descent, svm, p, seeds, steps, pace)
        yield Measured(
            f"p = {p}, low end of the interval of a", found.low, ">=", min(p - 1, 1), seeds
        )


@claim(
    key="rate-heuristic",
    chapter=8,
    place="this book, chapter 8",
    statement="The bound is loose: a = 2 min(p - 1, 1), so the divergence is its square",
    quick=_QUICK,
    paper=_PAPER,
)
def rate_heuristic(
    seeds: range, steps: int, pace: float, exponents: Sequence[float],
    descent: Descent = attention_descent, svm: Svm = attention_svm,
) -> Iterator[Measured]:  # fmt: skip
    """How far the median a is from 2 min(p-1, 1).

    Logits are off by a constant and the norm is like log t, so the direction is off by 1/log t. For
    p < 2 what the dual gathered early weighs more: it is 1/(log t)^(p-1) of the dual. A divergence
    is quadratic in either. A finite run has both terms and still bends; the bound is a quarter.
    """
    for p in exponents:
        a = measured_rate(descent, svm, p, seeds, steps, pace).a
        off = abs(a - 2 * min(p - 1, 1))
        yield Measured(f"p = {p}, a = {a:.1f}, off by", off, "<=", 0.25, seeds, resolution=0.1)

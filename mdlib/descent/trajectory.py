"""Trajectory: what a descent records on its way, and at which steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from numbers import Integral

import torch
from torch import Tensor


@dataclass(frozen=True)
class Trajectory:
    """What a descent recorded. The first axis R runs over the recorded steps.

    Attributes
    ----------
    steps : int tensor (R,)
        Which steps; 0 is the start.
    W : Tensor (R, ..., d, d)
    risk : Tensor (R, ...)
    attention : Tensor (R, ..., n, T)
    log_time : Tensor (R, ...)
        Logarithm of the time of the mirror flow: the sum of lr over the gradient's dual norm for
        normalised steps, of lr for plain ones. It goes on where the time itself would overflow.
    """

    steps: Tensor
    W: Tensor
    risk: Tensor
    attention: Tensor
    log_time: Tensor

    @property
    def selected(self) -> Tensor:
        """The most attended token of each input at the last recorded step, (..., n)."""
        return self.attention[-1].argmax(-1)


@dataclass(frozen=True)
class JointTrajectory(Trajectory):
    """What a joint descent recorded: a `Trajectory`, whose log_time is W's, and the decoder.

    Attributes
    ----------
    v : Tensor (R, ..., d)
    log_time_v : Tensor (R, ...)
        The flow's time of v: with normalised steps the two weights have a clock each.
    """

    v: Tensor
    log_time_v: Tensor


def recorded_steps(record: int | Sequence[int], steps: int) -> list[int]:
    """Return the steps to record: those named, or so many, spaced evenly on a logarithmic scale.

    Raises
    ------
    ValueError
        If ``record`` is a number below 2, names no step or one outside 0..steps.

    Examples
    --------
    >>> recorded_steps(5, 1000), recorded_steps([1000, 10], 1000)
    ([0, 1, 10, 100, 1000], [10, 1000])
    """
    if isinstance(record, Integral):
        record = int(record)
        if record < 2:
            raise ValueError(f"record must be at least 2 steps, got {record}")
        spaced = steps ** torch.linspace(1, 0, record - 1, dtype=torch.float64, device="cpu")
        return sorted({0, *spaced.round().long().tolist()})
    given = list(record) if isinstance(record, Iterable) else [record]
    if not given or min(given) < 0 or max(given) > steps or any(k != int(k) for k in given):
        raise ValueError(f"record must name steps within 0..{steps}, got {given}")
    return sorted(set(map(int, given)))

"""The numbers that determine a run, and its learning rate at each step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Reduction = Literal["mean", "sum"]
Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True)
class Options:
    """The options of `fit` that decide its result; see there.

    Raises
    ------
    ValueError
        For an option out of its range.
    """

    epochs: int
    batch_size: int
    seed: int
    reduction: Reduction
    clip: float | None
    warmup: int
    schedule: Schedule
    stop_at_accuracy: float | None
    patience: int | None
    bucket: int
    log_every: int

    def __post_init__(self) -> None:
        at_least = {"epochs": 1, "batch_size": 1, "bucket": 1, "log_every": 1}
        for name, least in (at_least | {"seed": 0, "warmup": 0}).items():
            if not is_integer(value := getattr(self, name), least):
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
        if self.patience is not None and not is_integer(self.patience, 1):
            raise ValueError(
                "patience must be an integer of at least 1, or None for all epochs; "
                f"got {self.patience!r}"
            )
        for name, choices in {"reduction": Reduction, "schedule": Schedule}.items():
            allowed = choices.__args__  # type: ignore[attr-defined]
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}"
                )
        if self.clip is not None and not (is_number(self.clip) and 0 < self.clip < math.inf):
            raise ValueError(
                f"clip must be a finite number above 0, or None for no clipping; got {self.clip!r}"
            )
        stop = self.stop_at_accuracy
        if stop is not None and not (is_number(stop) and 0 < stop <= 1):
            raise ValueError(
                f"stop_at_accuracy must be a number in (0, 1], or None for all epochs; got {stop!r}"
            )

    def rate(self, step: int, steps: int) -> float:
        """Return what multiplies the learning rate at a step, counted from 0 to steps - 1.

        Linear to 1 in ``warmup`` steps; then 1, or half a cosine down to 0.
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        return (1 + math.cos(math.pi * (step - self.warmup) / (steps - self.warmup))) / 2


def is_integer(value: object, least: int) -> bool:
    """Whether it is an integer of at least so much; True is not one."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object) -> bool:
    """Whether it is an integer or a float; True is neither."""
    return isinstance(value, int | float) and not isinstance(value, bool)

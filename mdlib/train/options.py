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
        For an option out of its range, or a patience without validation.
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
        at_least = {"epochs": 1, "batch_size": 1, "bucket": 1, "log_every": 1, "patience": 1}
        for name, least in (at_least | {"seed": 0, "warmup": 0}).items():
            value = getattr(self, name)
            if value is not None and (not isinstance(value, int) or value < least):
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
        for name, choices in {"reduction": Reduction, "schedule": Schedule}.items():
            allowed = choices.__args__  # type: ignore[attr-defined]
            if getattr(self, name) not in allowed:
                raise ValueError(
                    f"{name} must be one of {', '.join(allowed)}; got {getattr(self, name)!r}"
                )
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip must be above 0, or None for no clipping; got {self.clip}")
        if self.stop_at_accuracy is not None and not 0 < self.stop_at_accuracy <= 1:
            raise ValueError(f"stop_at_accuracy must lie in (0, 1], got {self.stop_at_accuracy}")

    def rate(self, step: int, steps: int) -> float:
        """Return what multiplies the learning rate at a step, counted from 0 to steps - 1.

        Linear to 1 in ``warmup`` steps; then 1, or half a cosine down to 0.
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        return (1 + math.cos(math.pi * (step - self.warmup) / (steps - self.warmup))) / 2

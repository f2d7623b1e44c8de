"""The options of training: what they mean, what they may be, and the learning rate they make."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any, Literal

Reduction = Literal["mean", "sum"]
Schedule = Literal["constant", "cosine"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """The numbers that determine a training, beside its model, its optimizer and its examples.

    `fit` takes them, each `mdlib.runs.TrainingRun` has them, and the command line offers them: an
    option is written here and nowhere else.

    Attributes
    ----------
    epochs : int
        Largest number of passes over the examples.
    batch_size : int
        Examples in a step.
    reduction : {"mean", "sum"}
        Of the loss over a batch. The paper's is the sum, and its learning rates belong to it.
    clip : float or None
        Largest l_2 norm of the gradient of all parameters together.
    warmup : int
        Steps in which the learning rate grows linearly to the optimizer's own.
    schedule : {"constant", "cosine"}
        Of the learning rate after that; "cosine" ends near 0 with the last epoch.
    stop_at_accuracy : float or None
        Stop after an epoch whose accuracy on its own batches, as they came, is at least this.
    patience : int or None
        Stop after so many epochs in a row without a better validation.
    seed : int
        Of the order of the examples and of dropout; in a run of the initial weights, too.

    Raises
    ------
    ValueError
        For an option out of its range.

    Examples
    --------
    >>> options = Options(epochs=3, warmup=4, schedule="cosine")
    >>> [round(options.rate(step, 10), 2) for step in (0, 3, 4, 9)]
    [0.25, 1.0, 1.0, 0.07]
    """

    epochs: int
    batch_size: int = 100
    reduction: Reduction = "mean"
    clip: float | None = None
    warmup: int = 0
    schedule: Schedule = "constant"
    stop_at_accuracy: float | None = None
    patience: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        self._take_numbers()
        for name, least in {"epochs": 1, "batch_size": 1, "seed": 0, "warmup": 0}.items():
            check_integer(name, getattr(self, name), least)
        if self.patience is not None:
            check_integer("patience", self.patience, 1, " or None for all epochs;")
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

    def _take_numbers(self) -> None:
        """Make Python's own of other integers and reals, such as NumPy's: JSON knows no others."""
        for one in fields(self):
            value = getattr(self, one.name)
            object.__setattr__(self, one.name, plain_number(value))

    def rate(self, step: int, steps: int) -> float:
        """Return what multiplies the learning rate at a step, counted from 0 to steps - 1.

        Linear to 1 in ``warmup`` steps; then 1, or half a cosine down to 0.
        """
        if step < self.warmup:
            return (step + 1) / self.warmup
        if self.schedule == "constant":
            return 1.0
        return (1 + math.cos(math.pi * (step - self.warmup) / (steps - self.warmup))) / 2


def check_integer(name: str, value: object, least: int, otherwise: str = "") -> None:
    """Refuse what is no integer of at least so much; True is none.

    Examples
    --------
    >>> check_integer("epochs", 0, 1)
    Traceback (most recent call last):
    ValueError: epochs must be an integer of at least 1, got 0
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least},{otherwise} got {value!r}")


def is_number(value: object) -> bool:
    """Whether it is an integer or a real, NumPy's among them; True is neither."""
    return isinstance(value, Real) and not isinstance(value, bool)


def plain_number(value: Any) -> Any:
    """Return an integer or a real of any kind as Python's own, and anything else as it is.

    Examples
    --------
    >>> import numpy as np
    >>> plain_number(np.int64(3)), plain_number(np.float32(0.5)), plain_number(True)
    (3, 0.5, True)
    """
    if not is_number(value):
        return value
    return int(value) if isinstance(value, Integral) else float(value)

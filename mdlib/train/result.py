"""What a training was, and where one stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Fitted:
    """What a training was.

    Attributes
    ----------
    metrics : list of dict
        The lines of metrics.jsonl. A line with ``"event": "step"`` has the step, the epoch (both
        counted from 1), loss and accuracy over the batches since the line before, the learning
        rate of the first parameter group, and with clipping the mean gradient norm before it. A
        line with ``"event": "epoch"`` has loss and accuracy over the epoch's batches and, with
        validation, ``validation_loss`` and ``validation_accuracy`` after it.
    steps, epochs : int
        How many were done.
    stopped : str
        Why: all "epochs" done, train "accuracy" reached, or "patience" at an end.
    best : dict or None
        The line of the epoch with the best validation accuracy, of equal ones with least loss.
    seconds : float
        Time spent in the loop, validation and checkpoints included, over all restarts; what was
        computed again after a restart is counted once.
    directory : Path or None
    """

    metrics: list[dict[str, Any]]
    steps: int
    epochs: int
    stopped: str
    best: dict[str, Any] | None
    seconds: float
    directory: Path | None

    @property
    def summary(self) -> dict[str, Any]:
        """All of it that JSON can hold, but for the metrics, which have a file of their own."""
        names = ("stopped", "steps", "epochs", "best", "seconds")
        return {name: getattr(self, name) for name in names}


@dataclass
class Place:
    """Where a run stands, in plain numbers: what a checkpoint holds beside tensors."""

    epoch: int = 0  # epochs done
    batch: int = 0  # batches done of the epoch after them
    step: int = 0
    seconds: float = 0.0
    rows: list[list[float]] = field(default_factory=list)  # a step each, since the last line
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0, 0.0])  # of the epoch
    best: dict[str, Any] | None = None
    stale: int = 0  # epochs since the best
    stopped: str = ""

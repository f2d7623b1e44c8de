"""Results of training: the learning curve, the test scores, the settings that were tried.

What is measured inside of a trained network, texts and images know: `mdlib.studies.text.TextRun`
and `mdlib.studies.images.ImageRun` are a `TrainedRun` with more fields. All shares and accuracies
are of 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from mdlib.measure.weights import Magnitudes
from mdlib.runs.schema import others, read


@dataclass(frozen=True)
class Epoch:
    """A line of a learning curve.

    Attributes
    ----------
    epoch, step : int
        How many of each were done, from 1.
    loss, accuracy : float
        Means over the training examples as they came in this epoch.
    validation_loss, validation_accuracy : float
        On the validation part after it.
    """

    epoch: int
    step: int
    loss: float
    accuracy: float
    validation_loss: float
    validation_accuracy: float


def learning_curve(metrics: Iterable[Mapping[str, Any]]) -> tuple[Epoch, ...]:
    """Return the epochs of the lines that `mdlib.train.fit` writes.

    Raises
    ------
    ValueError
        If it trained without validation.
    """
    lines = (dict(line) for line in metrics)
    return tuple(read(Epoch, line) for line in lines if line.pop("event", "epoch") == "epoch")


@dataclass(frozen=True)
class Scores:
    """The mean loss of a network on examples, and the share of right answers."""

    loss: float
    accuracy: float


@dataclass(frozen=True)
class FinalScores:
    """Scores on the test part.

    Attributes
    ----------
    last : Scores
        With the weights at the end of training.
    best : Scores or None
        With those of the epoch with the best validation accuracy; None if they were not kept.
    """

    last: Scores
    best: Scores | None = None


@dataclass(frozen=True, kw_only=True)
class TrainedRun:
    """A trained network in numbers.

    Attributes
    ----------
    seed : int
    commit : str or None
        That it was trained at.
    curve : tuple of Epoch
        One an epoch.
    best : Epoch or None
        The one with the best validation accuracy.
    stopped : str or None
        Why, as `mdlib.train.Run` has it.
    steps, parameters : int or None
        How many steps were made, and how many weights there are.
    seconds : float or None
        Over all restarts.
    test : FinalScores
    weights : mapping
        For "query", "key" and "value" the `Magnitudes` at the end of training.
    """

    seed: int
    commit: str | None = None
    curve: tuple[Epoch, ...]
    best: Epoch | None = None
    stopped: str | None = None
    steps: int | None = None
    seconds: float | None = None
    parameters: int | None = None
    test: FinalScores
    weights: Mapping[str, Magnitudes]


R = TypeVar("R", bound=TrainedRun)


@dataclass(frozen=True)
class Tried:
    """A setting that was tried, with the best validation accuracy that it reached.

    Attributes
    ----------
    settings : mapping
        The choice, ``{"lr": 1e-3}``.
    short : float or None
        In a short run; None if it diverged.
    full : float or None
        At full length; None if it diverged or was not made.
    """

    settings: Mapping[str, Any] = field(metadata=others())
    short: float | None
    full: float | None


@dataclass(frozen=True)
class TunedContender(Generic[R]):
    """A contender of a study after it was tuned, repeated and tested.

    Attributes
    ----------
    runs : tuple of TrainedRun
        One a seed.
    settings : mapping
        What makes it this contender.
    tried : tuple of Tried
        In the order in which it offers them; empty if there was no choice.
    refused : tuple of mappings
        Settings that were better than the chosen one, but with which a run that was to be reported
        diverged.
    chosen : mapping
        The settings of the runs, ``{"lr": 1e-3}``.
    """

    runs: tuple[R, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    tried: tuple[Tried, ...] = ()
    refused: tuple[Mapping[str, Any], ...] = ()
    chosen: Mapping[str, Any] = field(default_factory=dict)

"""Inspection of a run on images: its attention weights, and how much of it can be left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mdlib.measure.pruning import Pruned, Scope, pruning_curve
from mdlib.measure.weights import Magnitudes, describe_weights
from mdlib.runs.record import Record, shipped
from mdlib.runs.results import TrainedRun
from mdlib.runs.training import choose_device
from mdlib.studies.images.run import VisionRun

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_SCOPES: tuple[Scope, ...] = ("model", "matrix")


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What a trained network is like, at the end of training.

    Attributes
    ----------
    weights : mapping
        Of `mdlib.measure.describe_weights`.
    pruning : mapping
        For each scope, "model" and "matrix", the `mdlib.measure.pruning_curve` on the test part.
    """

    weights: Mapping[str, Magnitudes]
    pruning: Mapping[str, tuple[Pruned, ...]]


@dataclass(frozen=True, kw_only=True)
class ImageRun(TrainedRun, Inside):
    """A trained network in numbers: how it learned, and what it is like inside."""


def recorded(name: str) -> Record[ImageRun]:
    """Return a study of images, "mnist" or "cifar", as it was recorded for the book."""
    return shipped(name, Record[ImageRun])


def look_inside(run: VisionRun, directory: str | Path, device: str = "auto") -> Inside:
    """Look into a trained run.

    Raises
    ------
    FileNotFoundError
        If the run was not trained in the directory.
    """
    model = run.load_trained(directory, "last")
    weights = describe_weights(model)
    model.to(choose_device(device))
    _, parts = run.load(("test",))
    curves: dict[str, tuple[Pruned, ...]] = {
        scope: pruning_curve(model, parts["test"], FRACTIONS, scope, run.batch_size)
        for scope in _SCOPES
    }
    return Inside(weights=weights, pruning=curves)

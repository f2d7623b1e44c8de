"""What a trained run is like inside: its attention weights, and how much of it can be left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mdlib.measure.pruning import Scope, pruning_curve
from mdlib.measure.weights import describe_weights
from mdlib.runs.training import choose_device
from mdlib.studies.images.run import VisionRun

FRACTIONS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
_SCOPES: tuple[Scope, ...] = ("model", "matrix")


def inspect(run: VisionRun, directory: str | Path, device: str = "auto") -> dict[str, Any]:
    """Look into a trained run, at the end of training.

    Returns
    -------
    dict
        ``weights``, of `mdlib.measure.weights.describe_weights`; ``pruning``, for each scope,
        "model" and "matrix", the `mdlib.measure.pruning.pruning_curve` on the test part.

    Raises
    ------
    FileNotFoundError
        If the run was not trained in the directory.
    """
    model = run.load_trained(directory, "last")
    weights = describe_weights(model)
    model.to(choose_device(device))
    _, parts = run.load(("test",))
    curves = {
        scope: pruning_curve(model, parts["test"], FRACTIONS, scope, run.batch_size)
        for scope in _SCOPES
    }
    return {"weights": weights, "pruning": curves}

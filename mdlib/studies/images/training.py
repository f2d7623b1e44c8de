"""Read a trained network; `mdlib.runs.training` trains it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mdlib.nn import VisionTransformer
from mdlib.studies.images.run import VisionRun, build_model
from mdlib.train import load_weights


def load_model(
    run: VisionRun, directory: str | Path, which: Literal["last", "best"] = "best"
) -> VisionTransformer:
    """Return a trained network in evaluation mode, on the CPU.

    Raises
    ------
    FileNotFoundError
        If the run was not trained in the directory.
    """
    model = build_model(run).eval()
    load_weights(model, directory, which)
    return model

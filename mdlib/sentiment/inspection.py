"""What a trained run is like inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mdlib.sentiment.run import SentimentRun
from mdlib.sentiment.training import load_model
from mdlib.sentiment.weights import describe_weights


def inspect(run: SentimentRun, directory: Path, device: str = "auto") -> dict[str, Any]:
    """Return ``weights``, the distribution of the last attention weights.

    Raises
    ------
    FileNotFoundError
        If the run was not trained in the directory.
    """
    last, _ = load_model(run, directory, "last")
    return {"weights": describe_weights(last)}

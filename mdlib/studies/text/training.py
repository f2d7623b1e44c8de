"""Train a run on text, look at the test part when asked, and read a trained model."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from mdlib.data.text.encoded import load_encoded
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.nn import TextClassifier
from mdlib.runs.training import choose_device, prepare, score_on_test, train
from mdlib.studies.text.run import TOKENIZER, SentimentRun, build_model
from mdlib.studies.text.texts import sequences, training_part
from mdlib.train import load_weights

__all__ = [
    "choose_device",
    "load_model",
    "prepare",
    "score_on_test",
    "sequences",
    "train",
    "training_part",
]


def load_model(
    run: SentimentRun, directory: str | Path, which: Literal["last", "best"] = "best"
) -> tuple[TextClassifier, Tokenizer]:
    """Return a trained model in evaluation mode, on the CPU, and the tokenizer it reads with."""
    tokenizer = _load_tokenizer(run, Path(directory))
    model = build_model(run, len(tokenizer)).eval()
    load_weights(model, directory, which)
    return model, tokenizer


def _load_tokenizer(run: SentimentRun, directory: Path) -> Tokenizer:
    if (directory / TOKENIZER).exists():
        return Tokenizer.load(directory / TOKENIZER)
    # Trained before tokenizers were kept with the runs: that of its data is the same.
    tokenizer, _ = load_encoded(run.data, run.vocabulary, [])
    return tokenizer

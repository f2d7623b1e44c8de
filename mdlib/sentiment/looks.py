"""What a finished run looks at: its attention to marked words, and what hangs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mdlib.data.encoded import load_encoded
from mdlib.sentiment.erasure import choose_texts, erase
from mdlib.sentiment.pivots import look_at_pivots
from mdlib.sentiment.run import SentimentRun
from mdlib.sentiment.training import choose_device, load_model, sequences

COUNTS = (1, 2, 4, 8, 16)
TEXTS = 500


def measure(run: SentimentRun, directory: str | Path, device: str = "auto") -> dict[str, Any]:
    """Return what a trained run attends to, with its best weights.

    Returns
    -------
    dict
        ``pivots``, of `look_at_pivots`; ``erasure``, of `erase` on the same 500 test texts for
        every run.

    Raises
    ------
    FileNotFoundError
        If the run was not trained in the directory.
    """
    model, tokenizer = load_model(run, directory)
    model.to(choose_device(device))
    _, parts = load_encoded(run.data, run.vocabulary, ["test"])
    texts = choose_texts(sequences(run, parts["test"]), tokenizer, max(COUNTS), TEXTS)
    return {
        "pivots": look_at_pivots(model, tokenizer),
        "erasure": erase(model, tokenizer, texts, COUNTS),
    }

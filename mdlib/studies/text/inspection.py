"""What a trained run is like inside: its attention weights, what it looks at, what hangs on it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mdlib.data.text.encoded import load_encoded
from mdlib.measure.weights import describe_weights
from mdlib.runs.training import choose_device
from mdlib.studies.text.erasure import choose_texts, erase
from mdlib.studies.text.favorites import find_favorites
from mdlib.studies.text.pivots import look_at_pivots
from mdlib.studies.text.run import SentimentRun

COUNTS = (1, 2, 4, 8, 16)  # words to erase
TEXTS = 500  # from which they are erased, and whose favorites are found


def inspect(run: SentimentRun, directory: str | Path, device: str = "auto") -> dict[str, Any]:
    """Look into a trained run.

    Returns
    -------
    dict
        ``weights``, of `describe_weights`, at the end of training; with the best weights
        ``pivots``, of `look_at_pivots` with the sentences' scores alone, ``erasure``, of `erase`,
        and ``favorites``, of `find_favorites`, both on the same 500 test texts for every run.

    Raises
    ------
    FileNotFoundError
        If the run was not trained in the directory.
    """
    where = choose_device(device)
    tokenizer, last = run.tokenizer(directory), run.load_trained(directory, "last")
    best = run.load_trained(directory).to(where)
    _, parts = load_encoded(run.data, run.vocabulary, ["test"])
    texts = choose_texts(run.sequences(parts["test"], "test"), tokenizer, max(COUNTS), TEXTS)
    pivots = look_at_pivots(best, tokenizer)
    pivots["sentences"] = {"score": pivots["sentences"]["score"]}  # the others weigh as much
    return {
        "weights": describe_weights(last),
        "pivots": pivots,
        "erasure": erase(best, tokenizer, texts, COUNTS),
        "favorites": find_favorites(best, tokenizer, texts),
    }

"""Inspection of a run on text: its attention weights, what it looks at, what hangs on that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from mdlib.data.text.encoded import load_encoded
from mdlib.measure.weights import Magnitudes, describe_weights
from mdlib.runs.record import Record, shipped
from mdlib.runs.results import TrainedRun
from mdlib.runs.training import choose_device
from mdlib.studies.text.erasure import Erasure, choose_texts, erase
from mdlib.studies.text.favorites import Favorites, find_favorites
from mdlib.studies.text.pivots import BySentence, Pivots, look_at_pivots
from mdlib.studies.text.run import SentimentRun

COUNTS = (1, 2, 4, 8, 16)  # words to erase
TEXTS = 500  # from which they are erased, and whose favorites are found


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What a trained classifier is like.

    Attributes
    ----------
    weights : mapping
        Of `describe_weights`, at the end of training.
    pivots, erasure, favorites
        With the best weights; the last two on the same test texts for every run.
    """

    weights: Mapping[str, Magnitudes]
    pivots: Pivots
    erasure: Erasure
    favorites: Favorites


@dataclass(frozen=True, kw_only=True)
class TextRun(TrainedRun, Inside):
    """A trained classifier in numbers: how it learned, and what it is like inside."""


def recorded(name: str) -> Record[TextRun]:
    """Return a study of texts, "reviews" or "learned", as it was recorded for the book."""
    return shipped(name, Record[TextRun])


def look_inside(run: SentimentRun, directory: str | Path, device: str = "auto") -> Inside:
    """Look into a trained run.

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
    return Inside(
        weights=describe_weights(last),
        pivots=replace(pivots, sentences=BySentence(pivots.sentences.score)),
        erasure=erase(best, tokenizer, texts, COUNTS),
        favorites=find_favorites(best, tokenizer, texts),
    )

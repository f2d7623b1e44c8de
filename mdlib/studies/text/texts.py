"""The texts of a run as examples: cut to its length, and a subset of them if it asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mdlib.data.text.encoded import Encoded
from mdlib.train import Sequences

if TYPE_CHECKING:
    from mdlib.studies.text.run import SentimentRun


def sequences(run: SentimentRun, encoded: Encoded) -> Sequences:
    """Return texts cut to the run's length."""
    return Sequences([ids[: run.max_length] for ids in encoded.ids], encoded.labels)


def training_part(run: SentimentRun, encoded: Encoded) -> Sequences:
    """Return the texts that the run trains on: all, or its subset.

    Raises
    ------
    ValueError
        If there are not as many.
    """
    rows = run.training_rows(len(encoded.ids))
    if rows is not None:
        encoded = Encoded([encoded.ids[row] for row in rows.tolist()], encoded.labels[rows])
    return sequences(run, encoded)

"""The paper's one-layer model on real sentences: the experiment, its parts, and what it measured.

    >>> from mdlib.studies.sentences import recorded
    >>> sorted(recorded()["accuracy"])
    ['1.1', '1.5', '2', '3', 'mean word']

One file a theme: `training` (l_p-JointGD and its tuning), `baseline`, `interval` (of a difference),
`words` (hidden, or alone), `margins` (where the weights go), `experiment` (all of it together).
``python -m mdlib study sentences --record PATH`` runs it.
"""

import json
from importlib import resources
from typing import Any

from mdlib.studies.sentences.baseline import mean_word
from mdlib.studies.sentences.training import correct, train

__all__ = ["correct", "mean_word", "recorded", "train"]


def recorded() -> dict[str, Any]:
    """Return the results as they were recorded, with their provenance.

    Examples
    --------
    >>> recorded()["plan"]["phrases"]
    8000
    """
    stored = resources.files("mdlib").joinpath("recorded/sentences.json")
    results: dict[str, Any] = json.loads(stored.read_text(encoding="utf-8"))
    return results

"""The paper's one-layer model on real sentences: the experiment, its parts, and what it measured.

    >>> from mdlib.sentences import recorded
    >>> sorted(recorded()["accuracy"])
    ['1.1', '1.5', '2', '3', 'mean word']

One file a theme: `training` (l_p-JointGD and its tuning), `baseline`, `interval` (of a difference),
`words` (hidden, or alone), `margins` (where the weights go), `experiment` (all of it together).
``python -m mdlib.sentences --record PATH`` runs it.
"""

import json
from importlib import resources
from typing import Any


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

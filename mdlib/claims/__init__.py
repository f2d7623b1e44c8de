"""The ledger: every claim as a function that measures it, a bound, and a verdict.

    >>> from mdlib.claims import CLAIMS, ledger
    >>> rows = ledger(chapter=2)  # the last expression of a cell: a table
    >>> rows[0].claim.key, rows[0].holds
    ('mirror-step', True)

One file a theme: `mirror` (chapters 2 and 3), `margins` (5 and 6), `direction` (7), `rate` (8),
`optima` (9), `joint_path` (10), `joint_descent` (11), `sentences` (12), `text` (13 and 14),
`images` (15); `runs` is what those up to 11 share, `studies` what those from 13 on do, `form` the
rows, `ledger` the list. `beside` is no claim: the paper's numbers with ours.
``python -m mdlib.claims`` prints all.
"""

from mdlib.claims import (
    direction,
    images,
    joint_descent,
    joint_path,
    margins,
    mirror,
    optima,
    rate,
    sentences,
    text,
)
from mdlib.claims.beside import beside_paper
from mdlib.claims.form import Claim, Ledger, Measured, Row
from mdlib.claims.ledger import CLAIMS, claim, ledger, recorded

__all__ = [
    "CLAIMS",
    "Claim",
    "Ledger",
    "Measured",
    "Row",
    "beside_paper",
    "claim",
    "direction",
    "images",
    "joint_descent",
    "joint_path",
    "ledger",
    "margins",
    "mirror",
    "optima",
    "rate",
    "recorded",
    "sentences",
    "text",
]

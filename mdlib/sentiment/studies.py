"""The book's studies of text.

``phrases``
    Phrases of SST-2, one layer; mirror descent as the paper has it: plain steps of constant size.
``reviews``
    Reviews of IMDb cut to 128 tokens, one layer; mirror descent as one would use it: normalised
    steps with momentum. For all contenders the rate warms up and then falls.
``paper``
    The paper's protocol: its three exponents at three depths. It takes a cluster of GPUs.
"""

from __future__ import annotations

from typing import Any

from mdlib.sentiment.study import Contender, Study


def _rates(*values: float, **fixed: Any) -> tuple[dict[str, Any], ...]:
    return tuple({"lr": value, **fixed} for value in values)


STUDIES: dict[str, Study] = {}

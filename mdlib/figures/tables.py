"""Tables and frames of a page, its colors, and how it writes a mean with its spread.

Nothing here needs matplotlib, so a program that prints a table does not load it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

PAPER = "#fdfcf9"
INK = "#22201c"
GRAY = "#6f6a62"


@dataclass(frozen=True)
class Shown:
    """What a cell ends with: HTML on the page, its alternative text everywhere else."""

    html: str
    text: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.text


def spread(values: Iterable[float], digits: int = 1) -> str:
    """Write the mean of numbers ± their standard deviation; the mean alone of a single number.

    Parameters
    ----------
    values : array of any shape
        One number a seed, say.
    digits : int
        How many decimals.

    Examples
    --------
    >>> spread([81, 83]), spread([0.5], digits=2), spread([])
    ('82.0 ± 1.4', '0.50', '')
    """
    numbers = np.asarray(values, dtype=np.float64)
    if not numbers.size:
        return ""
    deviation = f" ± {numbers.std(ddof=1):.{digits}f}" if numbers.size > 1 else ""
    return f"{numbers.mean():.{digits}f}{deviation}"


def table(data: Mapping[str, Iterable[Any]], *, caption: str = "") -> Shown:
    """Put a table on the page: one column for each entry of ``data``, numbers to four digits.

    Examples
    --------
    >>> table({"p": [1.5, 2], "error": [0.123456, 1e-9]})
    p    error
    1.5  0.1235
    2    1.000e-09
    """
    data = {name: list(values) for name, values in data.items()}
    columns = [[name, *map(_cell, values)] for name, values in data.items()]
    widths = [max(map(len, column)) for column in columns]
    rows = zip(*columns, strict=True)
    text = "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return Shown(framed(columns_as_html(data), caption, kind="mdlib-figure mdlib-table"), text)


def framed(body: str, caption: str, numbers: str = "", kind: str = "mdlib-figure") -> str:
    """Return the HTML of a body with its numbers and its caption below it."""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f'<figure class="{kind}">{body}{numbers}{below}</figure>'


def columns_as_html(data: Mapping[str, Iterable[Any]]) -> str:
    """Return the HTML of a table, one column for each entry."""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in data)
    columns = [list(map(_cell, values)) for values in data.values()]
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>"
        for row in zip(*columns, strict=True)
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return value
    number = float(value)
    if number == int(number) and abs(number) < 1e6 if abs(number) < 1e15 else False:
        return str(int(number))
    return f"{number:.4g}" if 1e-3 <= abs(number) < 1e5 else f"{number:.3e}"

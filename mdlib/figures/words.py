"""Sentences with a number at each word: attention for the eye and for those who cannot see it.

Each word stands on a background the darker the larger its share, with the share in per cent below
it. The words bring their own light ground and dark ink, so that they read the same on a dark page;
a line that is too long for the screen wraps between words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mdlib.figures.tables import INK, PAPER, Shown, framed

# The ground of the largest share, by its opacity on paper; ink on it has a contrast above 7. As a
# decimal, so that a page computed on another processor can be compared with the stored one.
_SHADE = "background:rgba(240,162,60,{:.4f})"
_GROUND = (
    f"background:{PAPER};color:{INK};border-radius:6px;padding:0.6rem 0.8rem;max-width:700px;"
    "overflow-wrap:anywhere"
)
_LINE = "margin:0.2rem 0 0.6rem;padding:0;line-height:1.3"
_WORD = "display:inline-block;text-align:center;margin:2px 1px;padding:1px 5px;border-radius:4px"
_SHARE = "font-variant-numeric:tabular-nums;font-size:0.9em"


def colored_words(lines: Mapping[str, Sequence[tuple[str, float]]], *, caption: str = "") -> Shown:
    """Put sentences on the page with the share of each word; the last expression of its cell.

    Parameters
    ----------
    lines : mapping of label to words with their shares
        The shares, in [0, 1], have one scale of color in all lines: the largest of them is the
        darkest.
    caption : str

    Returns
    -------
    Shown
        Its text has a line for each sentence, with the shares in per cent after the words.

    Raises
    ------
    ValueError
        If there is no word, or a share outside [0, 1].

    Examples
    --------
    >>> colored_words({"p = 1.1": [("so", 0.1), ("good", 0.75), ("!", 0.005)]})
    p = 1.1: so (10.0) good (75.0) ! (0.50)
    """
    shares = [share for words in lines.values() for _, share in words]
    if not shares:
        raise ValueError(f"there is no word in {dict(lines)}; give (word, share) pairs")
    if bad := [share for share in shares if not 0 <= share <= 1]:
        raise ValueError(f"shares must lie in [0, 1], got {bad[0]}")
    most = max(shares) or 1.0
    body = "".join(
        f'<p style="{_LINE}"><strong>{escape(label)}</strong><br>'
        + " ".join(_word(word, share, share / most) for word, share in words)
        + "</p>"
        for label, words in lines.items()
    )
    text = "\n".join(
        f"{label}: " + " ".join(f"{word} ({_percent(share)})" for word, share in words)
        for label, words in lines.items()
    )
    return Shown(framed(f'<div style="{_GROUND}">{body}</div>', caption), text)


def _word(word: str, share: float, depth: float) -> str:
    number = f'<span style="{_SHARE}">{_percent(share)}</span>'
    return f'<span style="{_WORD};{_SHADE.format(depth)}">{escape(word)}<br>{number}</span>'


def _percent(share: float) -> str:
    """In per cent, with two digits that count where there are any."""
    return f"{100 * share:.1f}" if share >= 0.01 else f"{100 * share:.2f}"

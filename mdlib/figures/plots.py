"""Figures in one look: colors, style, and `show` and `slider`, which put them on the page.

A figure goes on the page as an HTML image with its own alternative text, because notebooks drop
the alt text of plain images, and with its numbers behind a fold: readers can copy them, and a test
that re-runs the notebook compares them where it cannot compare pixels.

matplotlib is imported once a color or a picture is asked for: a table goes without.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

from mdlib.figures.tables import GRAY, INK, PAPER, Shown, columns_as_html, framed

if TYPE_CHECKING:
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

_SCALE = ("#17104a", "#3c1f8f", "#7a2d9c", "#b32d6d", "#cf4436", "#c96a00", "#c97d00")

_RIVALS = {
    "SGD, momentum": (GRAY, "--"),
    "l_1 penalty": (GRAY, ":"),
    "Adam": (INK, "-."),
    "AdamW": (INK, "-"),
}

# For plt.style.use(STYLE). The light background is opaque, so figures keep on a dark page. At the
# book's column width of about 7 inches no letter is smaller than the text around the figure.
STYLE: dict[str, Any] = {
    "figure.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "figure.figsize": (7.0, 4.2),
    "figure.constrained_layout.use": True,
    "font.size": 12,
    "axes.titlesize": 13,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GRAY,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
    "lines.linewidth": 2.0,
    "image.interpolation": "nearest",
    "image.cmap": "gray_r",
}


def color(p: float) -> tuple[float, float, float, float]:
    """Return the color that stands for the exponent p in the whole book.

    An ordered, color-blind-safe scale, dark for p near 1 and bright for large p, each color with
    a contrast of at least 3 to the paper. p enters as 1 - 1/p, so that conjugate exponents lie
    mirrored about p = 2.

    Examples
    --------
    >>> color(1.1) == color(1.1), color(1.1) == color(3)
    (True, False)
    """
    red, green, blue, alpha = _scale()(1 - 1 / p)
    return float(red), float(green), float(blue), float(alpha)


@cache
def _scale() -> LinearSegmentedColormap:
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("p", _SCALE)


def look(label: str) -> dict[str, Any]:
    """Return the color and the line style of a contender, as keywords for ``ax.plot``.

    The color says which p and the line which steps: solid for plain ones, dashed with momentum.
    What is not mirror descent with an exponent is gray or black.

    Raises
    ------
    ValueError
        If the label is neither that of a rival nor begins as in "p = 1.1".

    Examples
    --------
    >>> look("p = 1.1, momentum") == {"color": color(1.1), "linestyle": "--"}
    True
    """
    if label in _RIVALS:
        return dict(zip(("color", "linestyle"), _RIVALS[label], strict=True))
    found = re.match(r"p = (\d+(?:\.\d+)?)(?:,|$)", label)
    if found is None:
        raise ValueError(
            f"label must begin like 'p = 1.1' or be one of {', '.join(_RIVALS)}; got {label!r}"
        )
    return {"color": color(float(found[1])), "linestyle": "--" if "momentum" in label else "-"}


def show(
    fig: Figure, *, alt: str, caption: str = "", data: Mapping[str, Iterable[Any]] | None = None
) -> Shown:
    """Put a figure on the page; the last expression of its cell.

    Parameters
    ----------
    fig : Figure
        It is closed, so that no second copy appears.
    alt : str
        What the figure shows, for those who cannot see it. Format it from the numbers plotted.
    caption : str
        How the figure was made: data, seeds, quick or recorded.
    data : mapping of column name to values
        The numbers plotted, shown as a table behind a fold.

    Raises
    ------
    ValueError
        If ``alt`` is empty, or the columns of ``data`` are not equally long.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> fig, ax = plt.subplots()
    >>> _ = ax.plot([1, 4, 9])
    >>> show(fig, alt="The first three squares.", data={"n": [1, 2, 3], "square": [1, 4, 9]})
    The first three squares.
    """
    _require_alt(alt)
    body = _image(fig, alt)
    numbers = ""
    if data is not None:
        numbers = f"<details><summary>The numbers</summary>{columns_as_html(data)}</details>"
    return Shown(framed(body, caption, numbers), alt)


def slider(
    figs: Sequence[Figure], *, name: str, values: Sequence[str], alts: Sequence[str],
    start: int = 0, caption: str = ""
) -> Shown:  # fmt: skip
    """Put a row of figures behind a slider that works in any static page, without a kernel.

    Parameters
    ----------
    figs : sequence of Figure
        The frames, drawn by one function so that only the finding moves.
    name : str
        What the slider changes, as in ``"p"``.
    values : sequence of str
        The label of each frame.
    alts : sequence of str
        The alternative text of each frame.
    start : int
        The frame that shows first, and alone in print: the one that tells the story.

    Raises
    ------
    ValueError
        If there are not as many values and alts as figures, an alt is empty, or ``start`` names no
        frame.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> figs = [plt.figure(), plt.figure()]
    >>> slider(figs, name="p", values=["1", "2"], alts=["A diamond.", "A disc."], start=1)
    A disc.
    """
    if not len(figs) == len(values) == len(alts):
        raise ValueError(
            "every frame needs a value and an alt text, got "
            f"{len(figs)} figures, {len(values)} values, {len(alts)} alts"
        )
    if not 0 <= start < len(figs):
        raise ValueError(f"start must name one of the {len(figs)} frames, got {start}")
    for alt in alts:
        _require_alt(alt)
    frames = "".join(
        _image(fig, alt, hidden=i != start)
        for i, (fig, alt) in enumerate(zip(figs, alts, strict=True))
    )
    # The labels travel in an attribute and the code is one expression, so the output stands alone:
    # no element id to collide, no library to load.
    script = (
        "const i=+this.value,f=this.closest('.mdlib-slider'),v=JSON.parse(this.dataset.values)[i];"
        "f.querySelectorAll('img').forEach((m,j)=>m.style.display=j===i?'':'none');"
        "f.querySelector('output').textContent=v;"
        "this.setAttribute('aria-valuetext',this.ariaLabel+' = '+v)"
    )
    attributes = {
        "type": "range",
        "min": "0",
        "max": str(len(figs) - 1),
        "value": str(start),
        "aria-label": name,
        "aria-valuetext": f"{name} = {values[start]}",
        "data-values": json.dumps(list(values)),
        "oninput": script,
    }
    knob = " ".join(f'{key}="{escape(value)}"' for key, value in attributes.items())
    label = f"<span>{escape(name)} = <output>{escape(values[start])}</output></span>"
    control = f'<div class="mdlib-control">{label} <input {knob}></div>'
    return Shown(framed(frames + control, caption, kind="mdlib-figure mdlib-slider"), alts[start])


def _require_alt(alt: str) -> None:
    if not alt.strip():
        raise ValueError("alt is empty; say in a sentence what the figure shows")


def _image(fig: Figure, alt: str, hidden: bool = False) -> str:
    from matplotlib import pyplot as plt
    from PIL import Image

    raw, packed = io.BytesIO(), io.BytesIO()
    fig.savefig(raw, format="png", dpi=160)
    plt.close(fig)
    # 256 colors are enough for a chart and a third of the size; notebooks carry every byte.
    Image.open(raw).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(
        packed, "png", optimize=True
    )
    code = base64.b64encode(packed.getvalue()).decode()
    width = round(100 * fig.get_size_inches()[0])
    look = "max-width:100%;height:auto" + (";display:none" if hidden else "")
    return (
        f'<img class="dark-light" width="{width}" style="{look}" alt="{escape(alt)}" '
        f'src="data:image/png;base64,{code}">'
    )

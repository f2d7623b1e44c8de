"""Figures, tables and colored words, as the pages of the book show them."""

from mdlib.figures.plots import STYLE, color, look, show, slider
from mdlib.figures.tables import GRAY, INK, PAPER, Shown, spread, table
from mdlib.figures.words import colored_words

__all__ = [
    "GRAY",
    "INK",
    "PAPER",
    "STYLE",
    "Shown",
    "color",
    "colored_words",
    "look",
    "show",
    "slider",
    "spread",
    "table",
]

"""Colored sentences: every share is a number, too, and nothing in a word reaches the page raw."""

import re

import pytest

from mdlib.figures import colored_words
from tests.support.page import Page, channels, contrast, luminance

NASTY = """<b onload="x">&'"""


def colors(page):
    """The ground of each word, and the color of the letters."""
    styles = [attrs.get("style", "") for _, attrs in page.elements]
    found = [re.search(r"background:rgba\((\d+),(\d+),(\d+),([\d.]+)\)", s) for s in styles]
    (paper,) = re.findall(r"background:(#\w{6})", " ".join(styles))
    inks = [ink for s in styles for ink in re.findall(r"(?:^|;)color:(#\w{6})", s)]
    return [blend(channels(paper), *map(float, one.groups())) for one in found if one], inks


def blend(under, *over_with_depth):
    *over, depth = over_with_depth
    return [a + depth * (b - a) for a, b in zip(under, over, strict=True)]


def test_words_labels_and_captions_are_text_whatever_they_hold():
    shown = colored_words({NASTY: [(NASTY, 0.5), ("x", 0.1)]}, caption=NASTY)
    page = Page(shown)
    assert page.text.count(NASTY) == 3
    assert {tag for tag, _ in page.elements} == {
        "figure",
        "div",
        "p",
        "strong",
        "span",
        "br",
        "figcaption",
    }
    assert repr(shown) == f"{NASTY}: {NASTY} (50.0) x (10.0)"


def test_every_word_has_its_number_in_both_forms():
    lines = {
        "one": [("so", 0.125), ("good", 0.5)],
        "two": [("so", 0.0), ("so", 1.0), ("so", 0.00456)],
    }
    shown = colored_words(lines)
    read = " ".join(" ".join(Page(shown).text).split())
    assert read == "one so 12.5 good 50.0 two so 0.00 so 100.0 so 0.46"
    assert repr(shown).splitlines() == [
        "one: so (12.5) good (50.0)",
        "two: so (0.00) so (100.0) so (0.46)",
    ]


@pytest.mark.parametrize("largest", [1.0, 0.03, 0.0])
def test_ink_is_legible_on_every_ground_and_a_larger_share_is_darker(largest):
    page = Page(colored_words({"": [(str(i), largest * i / 20) for i in range(21)]}))
    grounds, (ink,) = colors(page)
    assert all(contrast(channels(ink), ground) >= 4.5 for ground in grounds)
    darkness = [-luminance(ground) for ground in grounds]
    assert darkness == sorted(darkness)
    if largest:
        assert contrast(grounds[0], grounds[-1]) > 1.5


def test_all_lines_have_one_scale():
    page = Page(colored_words({"a": [("x", 0.2), ("y", 0.4)], "b": [("x", 0.2)]}))
    (first, _, again), _ = colors(page)
    assert first == again


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ({}, "no word in {}"),
        ({"p": []}, "no word in"),
        ({"p": [("x", 0.5), ("y", 1.2)]}, r"in \[0, 1\], got 1.2"),
        ({"p": [("x", float("nan"))]}, "got nan"),
        ({"p": [("x", -0.1)]}, "got -0.1"),
    ],
)
def test_what_is_no_share_is_refused(lines, message):
    with pytest.raises(ValueError, match=message):
        colored_words(lines)

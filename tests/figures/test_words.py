"""Colored sentences: every share is a number, too, and nothing in a word reaches the page raw."""

import re
from html.parser import HTMLParser

import pytest

from mdlib.figures.words import colored_words

NASTY = """<b onload="x">&'"""


class Page(HTMLParser):
    """What a browser makes of it: the elements, the text, and each word with its ground."""

    def __init__(self, shown):
        super().__init__()
        self.tags, self.text, self.grounds, self.inks = [], [], [], []
        self.feed(shown._repr_html_())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        style = dict(attrs).get("style") or ""
        if paper := re.search(r"background:(#\w{6})", style):
            self.paper = channels(paper[1])
        if shade := re.search(r"background:rgba\((\d+),(\d+),(\d+),([\d.]+)\)", style):
            *full, depth = map(float, shade.groups())
            blend = zip(self.paper, full, strict=True)
            self.grounds.append([a + depth * (b - a) for a, b in blend])
        self.inks += map(channels, re.findall(r"(?:^|;)color:(#\w{6})", style))

    def handle_data(self, data):
        self.text.append(data)


def channels(color):
    return [int(color[i : i + 2], 16) for i in (1, 3, 5)]


def luminance(color):
    shares = (c / 255 for c in color)
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in shares]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_words_labels_and_captions_are_text_whatever_they_hold():
    shown = colored_words({NASTY: [(NASTY, 0.5), ("x", 0.1)]}, caption=NASTY)
    page = Page(shown)
    assert page.text.count(NASTY) == 3
    assert set(page.tags) == {"figure", "div", "p", "strong", "span", "br", "figcaption"}
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
    (ink,) = page.inks
    assert all(contrast(ink, ground) >= 4.5 for ground in page.grounds)
    darkness = [-luminance(ground) for ground in page.grounds]
    assert darkness == sorted(darkness)
    if largest:
        assert contrast(page.grounds[0], page.grounds[-1]) > 1.5


def test_all_lines_have_one_scale():
    page = Page(colored_words({"a": [("x", 0.2), ("y", 0.4)], "b": [("x", 0.2)]}))
    first, _, again = page.grounds
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

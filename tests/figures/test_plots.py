"""Figures reach the page with words for everyone: what show and slider write."""

import base64
import io
import json
import re
from itertools import combinations, pairwise

import matplotlib.pyplot as plt
import pytest
from matplotlib.colors import to_rgba
from PIL import Image

from mdlib import figures
from tests.support.page import Page, channels, contrast, luminance

PS = [1.05, 1.1, 1.5, 1.75, 2, 3, 10, 20]
NASTY = """<b>"p" & 'q'</b>"""
PAPER = channels(figures.PAPER)


@pytest.fixture(autouse=True)
def _every_figure_is_closed():
    before = plt.get_fignums()
    yield
    left = [number for number in plt.get_fignums() if number not in before]
    plt.close("all")
    assert not left


def draw(height=1.0):
    fig, ax = plt.subplots(figsize=(2, 1.5))
    ax.plot([0, height])
    return fig


def image(attrs):
    head, code = attrs["src"].split(",", 1)
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(code, validate=True)))


# ---- show ---------------------------------------------------------------------------------------


def test_show_writes_one_image_with_its_words():
    with plt.style.context(figures.STYLE):
        page = Page(figures.show(draw(), alt=NASTY, caption=NASTY))
    (attrs,) = page.all("img")
    assert attrs["alt"] == NASTY
    assert NASTY in page.text
    assert not page.all("b")
    assert not page.all("table")
    picture = image(attrs)
    picture.load()
    assert picture.format == "PNG"
    assert picture.size == (320, 240)
    assert attrs["width"] == "200"
    assert picture.convert("RGB").getpixel((0, 0)) == PAPER
    assert len(picture.convert("RGB").getcolors()) > 2


def test_show_speaks_its_alt_text_where_there_is_no_page():
    shown = figures.show(draw(), alt="A rising line.")
    assert repr(shown) == "A rising line."


@pytest.mark.parametrize("alt", ["", " ", "\n\t"])
def test_an_empty_alt_text_is_refused(alt):
    fig, other = draw(), draw()
    with pytest.raises(ValueError, match="alt is empty; say in a sentence"):
        figures.show(fig, alt=alt)
    with pytest.raises(ValueError, match="alt is empty"):
        figures.slider([fig, other], name="p", values=["1", "2"], alts=["Fine.", alt])
    plt.close(fig), plt.close(other)
    with pytest.raises(TypeError, match="alt"):
        figures.show(fig)


def test_the_numbers_are_behind_a_fold():
    data = {NASTY: ["<i>", "&amp;"], "error": [0.5, 1e-9]}
    page = Page(figures.show(draw(), alt="A line.", data=data))
    assert len(page.all("details")) == len(page.all("table")) == 1
    assert [attrs["scope"] for attrs in page.all("th")] == ["col", "col"]
    assert len(page.all("tr")) == 3
    assert page.text == ["The numbers", NASTY, "error", "<i>", "0.5", "&amp;", "1.000e-09"]
    assert not page.all("i")


def test_columns_of_different_length_are_refused():
    fig = draw()
    with pytest.raises(ValueError, match="zip"):
        figures.show(fig, alt="A line.", data={"n": [1, 2], "m": [1]})


def test_the_same_figure_is_the_same_bytes():
    shown = [figures.show(draw(), alt="A line.", data={"n": [1, 2]}).html for _ in range(2)]
    assert shown[0] == shown[1]
    assert figures.show(draw(2.0), alt="A line.", data={"n": [1, 2]}).html != shown[0]


# ---- slider -------------------------------------------------------------------------------------


def visible(attrs):
    return "display:none" not in attrs["style"].replace(" ", "")


@pytest.mark.parametrize("first", [0, 1, 2])
def test_a_slider_shows_one_of_its_frames(first):
    values, alts = ["1", '"2"', "\\infty <3>"], ["One.", NASTY, "Three."]
    figs = [draw(k) for k in range(3)]
    shown = figures.slider(figs, name=NASTY, values=values, alts=alts, start=first, caption="C")
    page = Page(shown)
    frames = page.all("img")
    assert [attrs["alt"] for attrs in frames] == alts
    assert [visible(attrs) for attrs in frames] == [i == first for i in range(3)]
    assert len({attrs["src"] for attrs in frames}) == 3
    (control,) = page.all("input")
    assert control["type"] == "range"
    assert [control[key] for key in ("min", "max", "value")] == ["0", "2", str(first)]
    assert control["aria-label"] == NASTY
    assert control["aria-valuetext"] == f"{NASTY} = {values[first]}"
    assert json.loads(control["data-values"]) == values
    assert values[first] in page.text
    assert repr(shown) == alts[first]
    assert not page.all("b")
    assert not page.all("script")


def test_two_sliders_share_a_page():
    """Nothing is found by id, so that copies of one slider cannot move each other."""
    page = Page(figures.slider([draw()], name="p", values=["1"], alts=["One."]))
    assert not any("id" in attrs for _, attrs in page.elements)
    assert "closest('.mdlib-slider')" in page.all("input")[0]["oninput"]


@pytest.mark.parametrize(("n_figs", "n_values", "n_alts"), [(2, 1, 2), (2, 2, 1), (1, 2, 2)])
def test_frames_without_words_are_refused(n_figs, n_values, n_alts):
    figs = [draw() for _ in range(n_figs)]
    message = f"got {n_figs} figures, {n_values} values, {n_alts} alts"
    with pytest.raises(ValueError, match=message):
        figures.slider(figs, name="p", values=["1"] * n_values, alts=["A."] * n_alts)
    plt.close("all")


@pytest.mark.parametrize("start", [-1, 2])
def test_a_start_beyond_the_frames_is_refused(start):
    """A slider must not open with every frame hidden."""
    figs = [draw(), draw()]
    with pytest.raises((ValueError, IndexError), match=r"start|range"):
        figures.slider(figs, name="p", values=["1", "2"], alts=["A.", "B."], start=start)
    plt.close("all")


# ---- colors ------------------------------------------------------------------------------------


def rgb(p):
    return [255 * share for share in figures.color(p)[:3]]


def test_colors_are_ordered_in_brightness():
    """So the order of p is read in gray print and with any color vision."""
    brightness = [luminance(rgb(p)) for p in PS]
    assert brightness == sorted(brightness)
    assert all(b > 1.04 * a for a, b in pairwise(brightness))
    assert all(len(figures.color(p)) == 4 and figures.color(p)[3] == 1 for p in PS)


@pytest.mark.parametrize("p", PS)
def test_lines_stand_out_from_the_paper(p):
    """WCAG 1.4.11 asks 3:1 of graphics, 1.4.3 asks 4.5:1 of text."""
    assert contrast(rgb(p), PAPER) >= 3


FORMS = ("p = {:g}", "p = {:g}, momentum")
CONTENDERS = [form.format(p) for form in FORMS for p in (1.1, 1.5, 2, 3)]
CONTENDERS += ["SGD, momentum", "l_1 penalty", "Adam", "AdamW"]


def test_no_two_contenders_look_the_same():
    looks = [figures.look(label) for label in CONTENDERS]
    assert not [(a, b) for a, b in combinations(looks, 2) if a == b]
    _, ax = plt.subplots()
    for label, look in zip(CONTENDERS, looks, strict=True):
        (line,) = ax.plot([0, 1], label=label, **look)
        assert to_rgba(line.get_color()) == to_rgba(look["color"])
    plt.close("all")


@pytest.mark.parametrize("p", PS)
def test_a_contender_has_the_color_of_its_p_whatever_its_steps(p):
    plain, momentum, deep = (
        figures.look(form.format(p)) for form in (*FORMS, "p = {:g}, 3 layers")
    )
    assert plain["color"] == momentum["color"] == figures.color(p)
    assert plain["linestyle"] != momentum["linestyle"]
    assert deep == plain


@pytest.mark.parametrize("label", ["", "adam", "p=2", "p = ", "p = 2.", "p = two", "q = 2"])
def test_a_contender_nobody_knows_is_refused(label):
    with pytest.raises(
        ValueError, match=re.escape(f"SGD, momentum, l_1 penalty, Adam, AdamW; got {label!r}")
    ):
        figures.look(label)


@pytest.mark.parametrize("name", ["INK", "GRAY"])
def test_text_stands_out_from_the_paper(name):
    assert contrast(channels(getattr(figures, name)), PAPER) >= 4.5


def test_the_style_is_one_matplotlib_knows():
    with plt.style.context(figures.STYLE):
        assert plt.rcParams["figure.facecolor"] == figures.PAPER
        assert plt.rcParams["font.size"] >= 11

"""What the comparison of notebooks forgives, and what it does not."""

import json
from pathlib import Path

import nbformat
import numpy as np
import pytest

from refresh import ROOT
from tolerance import ALARM, draws, forgive


@pytest.mark.parametrize(
    ("new", "stored"),
    [
        ("2.14 to 2.16", "2.15 to 2.17"),
        ("<td>5.5e-06</td>", "<td>5.9e-06</td>"),
        ("<td>7.3e+02</td>", "<td>7.4e+02</td>"),
        ("error −0.51", "error −0.50"),
        ("2e-16", "2.1e-16"),
    ],
)
def test_the_last_digits_are_forgiven(new, stored):
    assert forgive(new, stored) == stored
    assert forgive([{"data": {"text/html": new}}], [{"data": {"text/html": stored}}]) == [
        {"data": {"text/html": stored}}
    ]


@pytest.mark.parametrize(
    ("new", "stored"),
    [
        ("0.5", "0.6"),
        ("0.5", "-0.5"),
        ("1.2e-3", "1.2e-4"),
        ("97 of 100", "98 of 100"),
        ("0.5 holds", "0.5 fails"),
        ("0.51 0.52", "0.51"),
        ("p2.15", "p2.14"),
        ("version 1.2.3", "version 1.2.4"),
        ("nan", "0.5"),
        ("0.0", "0.1"),
    ],
)
def test_the_rest_is_not(new, stored):
    assert forgive(new, stored) == new
    assert forgive(new, stored) != stored


def test_pixels_hold_no_decimals():
    """One image has what looks like a number, the other does not; neither is touched."""
    drawn, text = '<img src="data:image/png;base64,{}"> at most {}', ("i+3e8/=", "iVBOR=")
    new, stored = (drawn.format(*pair) for pair in zip(text, ("2.6e-04", "2.7e-04"), strict=True))
    assert forgive(new, stored) == drawn.format(text[0], "2.7e-04")


def test_another_structure_stays_as_it_is():
    assert forgive([{"text": "0.5"}], []) == [{"text": "0.5"}]
    assert forgive({"text": "0.5", "more": 1}, {"text": "0.51"}) == {"text": "0.51", "more": 1}


def test_the_notebooks_are_compared_so():
    from nbval.plugin import IPyNbCell

    assert IPyNbCell.compare_outputs.__name__ == "closely"


def test_a_node_of_a_notebook_stays_one():
    """Because nbval reads its attributes."""
    new, stored = (nbformat.v4.new_output("stream", text=text) for text in ("0.51", "0.5"))
    assert forgive([new], [stored])[0].output_type == "stream"
    assert forgive([new], [stored])[0].text == "0.5"


# The rule for draws.


@pytest.mark.parametrize(
    ("new", "stored"),
    [
        ("62.5 ± 2.3", "57.1 ± 2.3"),  # 3.2 deviations apart are 7.4
        ("test -0.2 ± 1.7 %", "test +0.9 ± 2.2 %"),
        ("0.0 ± 0.1", "0.0 ± 0.0"),  # a deviation known to a tenth
        ("<td>62.5 ± 2.3</td>", "<td>60.1 ± 4.0</td>"),
        ("1.4 (-5.4 to +8.1)", "-1.4 (-7.4 to +4.6)"),
        ("10.1 ± 1.0  x", "9.9 ± 1.0   x"),  # a column as wide as its longest number
        ("5.1", "5.0"),  # and decimals as everywhere
    ],
)
def test_a_draw_is_compared_in_units_of_its_spread(new, stored):
    assert forgive(new, stored, 5) == stored


@pytest.mark.parametrize(
    ("new", "stored"),
    [
        ("62.5 ± 2.3", "54.5 ± 2.3"),
        ("62.5 ± 0.2", "61.5 ± 0.2"),
        ("62.5 ± 2.3", "62.5 ± 25.0"),
        ("+7.4 (+6.0 to +8.8)", "-7.4 (-8.8 to -6.0)"),
        ("62.5 ± 2.3 ahead", "62.5 ± 2.3 behind"),
        ("62 of 100, 1.0 ± 0.5", "63 of 100, 1.0 ± 0.5"),
        ("62.5", "62.5 ± 2.3"),
        ("62.5 ± 2.3 60.0 ± 1.0", "62.5 ± 2.3"),
        ("0.5", "0.6"),
        ("nan ± nan", "62.5 ± 2.3"),
    ],
)
def test_what_is_no_draw_of_the_same_is_not_forgiven(new, stored):
    assert forgive(new, stored, 5) != stored


def test_without_the_tag_a_draw_is_not_forgiven():
    new, stored = "62.5 ± 2.3", "60.1 ± 4.0"
    assert forgive(new, stored) != stored
    assert draws({"tags": ["hide-input", "draw-5"]}) == 5
    assert draws({"tags": ["draw", "draw-1", "draw-0"]}) == draws({}) == 0


@pytest.mark.parametrize("n", [3, 5])
def test_the_rule_fails_as_rarely_as_it_says(n):
    """Means and deviations of the same normal distribution; two numbers each, so two alarms."""
    trials = 20_000
    sets = np.random.default_rng(0).normal(60, 4, size=(2, trials, n))
    texts = [
        [f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in zip(m, s, strict=True)]
        for m, s in zip(sets.mean(-1), sets.std(-1, ddof=1), strict=True)
    ]
    alarms = sum(forgive(new, old, n) != old for new, old in zip(*texts, strict=True)) / trials
    assert ALARM / 2 < alarms < 3 * ALARM


CASES = json.loads(Path(__file__).with_name("draws.json").read_text(encoding="utf-8"))


def text(cell):
    """What a cell prints, as one string."""
    return "".join(
        out["text"] if "text" in out else out["data"]["text/plain"] for out in cell.outputs
    )


def red(chapter, printed):
    """The cells whose recorded text the rule tells from the stored one."""
    notebook = nbformat.read(ROOT / "book" / "real-data" / f"{chapter}.ipynb", as_version=4)
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    found = set()
    for name, new in printed.items():
        stored = text(cells[name])
        if forgive(new, stored, draws(cells[name].metadata)) != stored:
            found.add(name)
    return found


@pytest.mark.parametrize("case", CASES["wrong"], ids=lambda case: case["what"])
def test_a_mutation_turns_cells_red(case):
    """What cells of a chapter printed when this was done to it."""
    assert red(case["chapter"], case["cells"]) == set(case["cells"])


@pytest.mark.parametrize("case", CASES["right"], ids=lambda case: case["what"])
def test_other_seeds_stay_green(case):
    """What they printed with other seeds: more of another draw than any processor makes."""
    assert red(case["chapter"], case["cells"]) == set()

"""Tables in two forms, numbers to the digits that count, and no matplotlib for either."""

import math
import subprocess
import sys

import pytest
import torch

from mdlib.figures import spread, table
from tests.support.page import Page

NASTY = """<b>"p" & 'q'</b>"""


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (0, "0"),
        (-3.0, "-3"),
        (999_999, "999999"),
        (1_000_000, "1.000e+06"),
        (0.123456, "0.1235"),
        (12345.67, "1.235e+04"),
        (-0.001, "-0.001"),
        (0.00099, "9.900e-04"),
        (1e300, "1.000e+300"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
        (math.nan, "nan"),
        ("p = 2", "p = 2"),
    ],
)
def test_numbers_are_written_to_four_digits(value, cell):
    assert Page(table({"x": [value]})).text == ["x", cell]


def test_a_table_is_aligned_text_elsewhere():
    shown = table({"p": [1.5, 20], "name": ["a", "long"]}, caption=NASTY)
    assert repr(shown) == "p    name\n1.5  a\n20   long"
    page = Page(shown)
    assert page.text == ["p", "name", "1.5", "a", "20", "long", NASTY]
    assert not page.all("img")


def test_a_table_takes_columns_that_can_be_read_once():
    assert "<td>2</td>" in table({"a": (x for x in [1, 2])}).html


def test_table_columns_of_different_length_are_refused():
    with pytest.raises(ValueError, match="zip"):
        table({"n": [1, 2], "m": [1]})


@pytest.mark.parametrize("shape", [(4,), (2, 2)])
def test_a_spread_is_that_of_all_numbers(shape):
    """The deviation is that of a sample, with n - 1: the seeds stand for all seeds."""
    values = torch.tensor([0.25, 0.5, 1.0, 1.25]).reshape(shape)
    assert spread(values, digits=4) == "0.7500 ± 0.4564"
    assert spread(100 * values) == "75.0 ± 45.6"


@pytest.mark.parametrize(
    ("asked", "spared"),
    [
        ("mdlib.figures", {"matplotlib", "PIL"}),
        ("mdlib.runs.record", {"matplotlib", "PIL"}),
        ("mdlib.claims", {"matplotlib"}),  # the images of a study need PIL
    ],
)
def test_a_text_table_loads_no_plotting(asked, spared):
    """A worker on a cluster imports these and draws nothing."""
    code = f"import sys, {asked}; print(*{spared} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    assert loaded.stdout.strip() == b""

"""The form of a claim: what it measures becomes rows, printed and stored; a failing tool too."""

import json

import pytest

from mdlib.claims import CLAIMS, Ledger, Measured, Row, ledger


def test_a_row_says_what_was_measured(toy):
    rows = ledger(chapter=0)
    assert [row.holds for row in rows] == [True, True]
    row, again = rows
    assert row.measured == Measured("x", 1.0, "<=", 2, range(1, 4))
    assert again.measured == Measured("2x", 2.0, ">=", 2, range(1, 4), resolution=1e-3)
    assert (row.claim.key, row.claim.chapter, row.claim.place) == ("toy", 0, "here")
    assert row.claim.statement == "1 < 2"


def test_a_failing_claim_is_a_row(toy):
    rows = toy("paper")
    assert [row.verdict for row in rows] == ["does not hold", "holds"]
    assert rows.failing == rows[:1]


@pytest.mark.parametrize("error", [FloatingPointError("W is not finite"), ZeroDivisionError("0")])
def test_a_tool_that_fails_is_a_row(toy, error):
    rows = toy(fails=error)
    assert [row.holds for row in rows] == [True, False]
    assert str(error) in rows[1].measured.case


def test_a_mistake_of_ours_is_an_error(toy):
    with pytest.raises(TypeError):
        toy(fails=TypeError("unexpected argument"))


def test_it_prints_as_a_table(toy):
    rows = toy("paper")
    assert repr(rows).splitlines() == [
        "1 < 2",
        "  case  measured  bound  seeds   verdict",
        "  x     3         ≤ 2    1 to 3  does not hold",
        "  2x    6         ≥ 2    1 to 3  holds",
    ]
    assert "<strong>1 &lt; 2</strong>" in rows._repr_html_()
    assert "how it was made" in rows.shown("how it was made").html
    assert repr(Ledger()) == ""


@pytest.mark.parametrize(
    ("measured", "said"),
    [
        (1.0, "1"),
        (0.0, "< 1e-09"),
        (2.6e-9, "3e-09"),
        (-1e-12, "< 1e-09"),
        (1.96, "2.0"),
        (11.3, "11"),
        (0.00123, "0.0012"),
        (1.23e-5, "1.2e-05"),
        (740.2, "7.4e+02"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_two_digits(measured, said):
    assert Measured("x", measured, "<=", 1, range(5), resolution=1e-9).number == said


def test_nan_does_not_hold():
    for relation in ("<=", ">="):
        assert not Measured("x", float("nan"), relation, 0, range(5)).holds


def test_a_missing_claim_is_an_error(toy):
    stored = json.loads(toy().to_json())
    stored["rows"][0]["claim"] = "gone"
    with pytest.raises(KeyError, match="gone"):
        Ledger.from_json(json.dumps(stored), CLAIMS)

"""Transformers on text: claims of chapters 13 and 14."""

from mdlib.claims import CLAIMS
from mdlib.claims import text as theme
from mdlib.studies.text.published import PIVOT_SCORE, TEST_ACCURACY
from tests.support.claims import asked_of
from tests.support.records import as_claimed, less_than_others, reversed_order, unsure

TEXT = (
    {"read": as_claimed},
    {"reversed": {"read": reversed_order}, "seeds disagree": {"read": unsure}},
)


BROKEN = {
    "text-generalization": TEXT,
    "text-learned": TEXT,
    "text-rivals": TEXT,
    "text-sparsity": TEXT,
    "text-penalty": TEXT,
    "text-selection": TEXT,
    "text-selection-in-reviews": TEXT,
    "text-sentiment": ({"read": as_claimed}, {"less than others": {"read": less_than_others}}),
    "text-erasure": ({"read": as_claimed}, {"less than others": {"read": less_than_others}}),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)


def test_the_papers_numbers_in_the_statements_are_those_of_its_tables():
    statement = CLAIMS["text-generalization"].statement
    for rival in (2.0, 3.0):
        gaps = [means[1.1][0] - means[rival][0] for means in TEST_ACCURACY.values()]
        assert f"by {min(gaps):.1f} to {max(gaps):.1f}" in statement
    scores = f"{PIVOT_SCORE[1.1]:.3f} against {PIVOT_SCORE[2.0]:.3f}"
    assert scores in CLAIMS["text-selection"].statement

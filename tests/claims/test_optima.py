"""Local optima: claims of chapter 9."""

from mdlib.claims import optima as theme
from tests.support.broken_tools import FEW, PForPMinusOne, by, uphill, wrong_p
from tests.support.claims import asked_of

BROKEN = {
    "local-selection": (
        {"seeds": range(1, 11), "steps": 1500, "exponents": (1.75, 3)},
        {"lost sign": {"descent": uphill}, "wrong p": {"svm": wrong_p}},
    ),
    "cone": (
        {"seeds": FEW, "steps": 500, "exponents": (1.75, 3)},
        {"lost sign": {"descent": uphill}, "p for p - 1": {"descent": by(PForPMinusOne)}},
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)

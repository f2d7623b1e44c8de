"""How fast the direction converges: claims of chapter 8."""

from mdlib.claims import rate as theme
from tests.support.broken_tools import FEW, stuck, wrong_p
from tests.support.claims import asked_of

BROKEN = {
    "rate": (
        {"seeds": FEW, "steps": 2000, "pace": 0.1, "exponents": (1.5, 2)},
        {"stuck": {"descent": stuck}, "wrong p": {"svm": wrong_p}},
    ),
    "rate-heuristic": (
        {"seeds": FEW, "steps": 2000, "pace": 0.1, "exponents": (1.5, 2)},
        {"stuck": {"descent": stuck}, "wrong p": {"svm": wrong_p}},
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)

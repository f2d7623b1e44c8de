"""The SVM and the regularization path: claims of chapters 5 and 6."""

from mdlib import attention_path
from mdlib.claims import margins as theme
from tests.support.broken_tools import FEW, dropped, wrong_p, wrong_token
from tests.support.claims import asked_of


def path_uphill(problem, v, p, radii):
    return attention_path(problem, -v, p, radii)


def path_by(other):
    return lambda problem, v, p, radii: attention_path(problem, v, other(p), radii)


BROKEN = {
    "svm-duality": (
        {"seeds": FEW},
        {
            "dropped constraint": {"svm": dropped},
            "wrong token": {"svm": wrong_token},
            "wrong p": {"svm": wrong_p},
        },
    ),
    "svm-solvers": (
        {"seeds": range(1, 2)},
        {"dropped constraint": {"svm": dropped}, "wrong token": {"svm": wrong_token}},
    ),
    "path": (
        {"seeds": range(1, 3), "exponents": (1.5, 2)},
        {
            "lost sign": {"follow": path_uphill},
            "p for p - 1": {"follow": path_by(lambda p: p + 1)},
            "wrong token": {"svm": wrong_token},
        },
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)

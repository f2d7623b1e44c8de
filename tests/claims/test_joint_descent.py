"""Training W and v together: claims of chapter 11."""

from mdlib import joint_descent
from mdlib.claims import joint_descent as theme
from tests.support.broken_tools import (
    FEW,
    SHORT,
    EuclidByLp,
    PForPMinusOne,
    jointly_by,
    never_relaxed,
    other_labels,
    wrong_token,
)
from tests.support.claims import asked_of


def without_v(problem, p, steps, lr=0.1, **kw):
    """The decoder hardly learns."""
    lr_W = lr[0] if isinstance(lr, tuple) else lr
    return joint_descent(problem, p, steps, (lr_W, 1e-12), **kw)


def equal_rates(problem, p, steps, lr, **kw):
    """Both weights at W's pace, whatever was asked for."""
    return joint_descent(problem, p, steps, lr[0], **kw)


BROKEN = {
    "joint-direction": (
        {"steps": SHORT},
        {
            "Euclidean step, l_p normaliser": {"descent": jointly_by(EuclidByLp)},
            "p for p - 1": {"descent": jointly_by(PForPMinusOne)},
            "wrong token": {"svm": wrong_token},
        },
    ),
    "joint-probabilities": (
        {"ps": (2,)},
        {"lost sign": {"descent": other_labels}, "v hardly learns": {"descent": without_v}},
    ),
    "joint-planted": (
        {"steps": SHORT, "seeds": FEW},
        {
            "Euclidean step, l_p normaliser": {"descent": jointly_by(EuclidByLp)},
            "lost sign": {"descent": other_labels},
            "wrong token": {"svm": wrong_token},
        },
    ),
    "joint-race": (
        {"ps": (2,), "seeds": range(1, 11)},
        {
            "equal rates": {"descent": equal_rates},
            "full SVM only": {"svm": never_relaxed},
        },
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)

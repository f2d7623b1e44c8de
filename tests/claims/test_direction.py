"""The direction of W: claims of chapter 7."""

from mdlib import AttentionProblem, attention_descent
from mdlib.claims import direction as theme
from mdlib.claims.direction import textbook_descent
from tests.support.broken_tools import FEW, SHORT, EuclidByLp, PForPMinusOne, by, wrong_token
from tests.support.claims import asked_of


def unscaled(problem, v, p, steps, *args, **kw):
    """Plain steps, which fade, where normalised ones were asked for."""
    return attention_descent(problem, v, p, steps, *args, **kw, normalize=False)


def lost_sign(*args):
    return -AttentionProblem.gradient(*args)


def textbook_gradient_of_the_softmax(problem, W, v, loss):
    """The gradient of the logits' mean, not of the risk: the loss's slope is forgotten."""
    return AttentionProblem.gradient(problem, W, v, "linear")


BROKEN = {
    "direction": (
        {"seeds": dict.fromkeys(SHORT, FEW), "steps": SHORT},
        {
            "Euclidean step, l_p normaliser": {"descent": by(EuclidByLp)},
            "p for p - 1": {"descent": by(PForPMinusOne)},
            "wrong token": {"svm": wrong_token},
        },
    ),
    "diagonal": (
        {"seeds": FEW, "steps": SHORT},
        {
            "Euclidean step, l_p normaliser": {"descent": by(EuclidByLp)},
            "p for p - 1": {"descent": by(PForPMinusOne)},
        },
    ),
    "plateau": (
        {},
        {"textbook gradient at saturation": {"descent": textbook_descent}},
    ),
    "two-entries": (
        {"seeds": range(1, 2), "steps": SHORT},
        {
            "p for p - 1": {"descent": by(PForPMinusOne)},
            "wrong token": {"svm": wrong_token},
        },
    ),
    "norm-growth": (
        {"seeds": FEW, "steps": SHORT},
        {"plain steps": {"descent": unscaled}},
    ),
    "exact-gradient": (
        {"seeds": FEW},
        {
            "lost sign": {"gradient": lost_sign},
            "slope of the loss": {"gradient": textbook_gradient_of_the_softmax},
        },
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)

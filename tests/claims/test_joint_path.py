"""The joint path and the condition of the joint theorem: claims of chapter 10."""

from dataclasses import replace

from mdlib import joint_path, margin_shrinkage
from mdlib.claims import joint_path as theme
from tests.support.broken_tools import (
    PForPMinusOne,
    jointly_by,
    never_relaxed,
    other_labels,
    wrong_token,
)
from tests.support.claims import asked_of


def joint_path_by(other):
    return lambda problem, p, r, R: joint_path(problem, other(p), r, R)


def always_r(problem, p, r, R):
    """The schedule of W's radius is forgotten."""
    return joint_path(problem, p, r, r)


def path_with_lost_sign(problem, p, r, R):
    found = joint_path(problem, p, r, R)
    return replace(found, attention=problem.attention(-found.W))


def blind_to_leaks(problem, tokens, p):
    """Only the small leaks of one input are looked at."""
    return margin_shrinkage(problem, tokens, p, limit=1)


BROKEN = {
    "joint-path": (
        {"ps": (1.5,), "seeds": range(1, 3)},
        {
            "p for p - 1": {"path": joint_path_by(lambda p: p + 1)},
            "wrong token": {"svm": wrong_token},
        },
    ),
    "joint-schedule": (
        {"ps": (2,), "seeds": range(5, 7)},
        {"R = r": {"path": always_r}, "full SVM only": {"svm": never_relaxed}},
    ),
    "joint-condition": (
        {"p": 2, "seeds": range(1, 3)},
        {
            "lost sign": {"path": path_with_lost_sign},
            "blind to leaks": {"shrinkage": blind_to_leaks},
        },
    ),
    "joint-path-descent": (
        {"ps": (1.5,), "seeds": range(1, 3)},
        {
            "p for p - 1": {"descent": jointly_by(PForPMinusOne)},
            "lost sign": {"descent": other_labels},
        },
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)

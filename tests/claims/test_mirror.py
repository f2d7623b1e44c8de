"""The update and the implicit bias: claims of chapters 2 and 3."""

from functools import partial

from mdlib import LpPotential, MirrorDescent, classifier_svm
from mdlib.claims import mirror as theme
from tests.support.broken_tools import FEW, EuclidByLp, PForPMinusOne
from tests.support.claims import asked_of


def euclid_optimizer(params, lr, potential):
    return MirrorDescent(params, lr=lr, potential=LpPotential(2))


def p_optimizer(params, lr, potential):
    return MirrorDescent(params, lr=lr, potential=PForPMinusOne(potential.p))


BROKEN = {
    "mirror-step": (
        {"seeds": FEW},
        {
            "lost sign": {"optimizer": partial(MirrorDescent, maximize=True)},
            "Euclidean step": {"optimizer": euclid_optimizer},
            "p for p - 1": {"optimizer": p_optimizer},
        },
    ),
    "classifier": (
        {"seeds": FEW, "steps": 1000},
        {
            "p for p - 1": {"potential": PForPMinusOne},
            "Euclidean step, l_p normaliser": {"potential": EuclidByLp},
            "lost sign": {"svm": lambda x, y, p: classifier_svm(x, -y, p)},
        },
    ),
}

test_it_holds, test_a_broken_tool_turns_it_red, test_it_was_the_broken_tool = asked_of(
    theme, BROKEN
)

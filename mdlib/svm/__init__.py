"""The max-margin problems in the l_p norm: attention's, the classifier's, and the race of both.

`solve` is what users call. Below it: `problems` (what was asked, checked and named), `rows` (the
constraints as the solver sees them), `interior` (the solver, with `corrector` for a step, `cones`
for the potential, `newton` and `inverse` for the linear system, `working_set` for many rows),
`duality` (the certificate), `sensitivity` (gradients), `textbook` (cvxpy, for comparison) and
`solution` (the answer). Above it: `local` (local optimality), `race` and `shrinkage` (the joint
theory).
"""

from mdlib.svm.local import is_locally_optimal
from mdlib.svm.race import race_svm
from mdlib.svm.shrinkage import Shrinkage, margin_shrinkage
from mdlib.svm.solution import InfeasibleError, NotSolvedError, Solution
from mdlib.svm.solve import attention_svm, classifier_svm, label_margin

__all__ = [
    "InfeasibleError",
    "NotSolvedError",
    "Shrinkage",
    "Solution",
    "attention_svm",
    "classifier_svm",
    "is_locally_optimal",
    "label_margin",
    "margin_shrinkage",
    "race_svm",
]

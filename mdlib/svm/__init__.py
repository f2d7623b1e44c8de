"""The two max-margin problems in the l_p norm: attention's and the classifier's.

`solve` is what users call. Below it: `rows` (a problem's constraints, checked and named),
`constraints` (what a solver asks of them), `duality` (bounds), `interior` and `lbfgs` (the two
solvers), `textbook` (cvxpy, for comparison) and `solution` (the answer with its certificate).
"""

from mdlib.svm.solution import InfeasibleError, NotSolvedError, Solution
from mdlib.svm.solve import attention_svm, classifier_svm, label_margin

__all__ = [
    "InfeasibleError",
    "NotSolvedError",
    "Solution",
    "attention_svm",
    "classifier_svm",
    "label_margin",
]

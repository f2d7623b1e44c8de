r"""attention_svm and classifier_svm: max-margin problems in the l_p norm, solved with proof."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mdlib.attention import AttentionProblem
from mdlib.potentials import LpPotential
from mdlib.svm.constraints import Constraints, TokenConstraints
from mdlib.svm.duality import lower_bound
from mdlib.svm.interior import interior_point
from mdlib.svm.lbfgs import lbfgs
from mdlib.svm.rows import SampleRows, TokenRows
from mdlib.svm.solution import InfeasibleError, NotSolvedError, Solution, certify
from mdlib.svm.textbook import textbook

Name = Callable[[int, int], str]

_INFEASIBLE = 1e8  # times the norm that the hardest single constraint needs
_WORKSPACE = 25_000_000  # float64 numbers that the interior point method may hold at once
_STEEP = 4  # times more where p > 3: the dual bends too sharply for L-BFGS there


def attention_svm(
    problem: AttentionProblem,
    tokens: Tensor,
    p: float,
    solver: str = "dual",
    required: Tensor | None = None,
    tol: float | None = None,
) -> Solution:
    r"""Solve the l_p-AttSVM: the smallest W whose attention logits set the chosen tokens apart.

    .. math::
        \min_W \|W\|_p \quad\text{subject to}\quad
        (X_{i\alpha_i} - X_{it})^\top W z_i \ge 1 \quad\text{for all } i,\ t \ne \alpha_i

    (problem l_p-AttSVM of the paper, its Section 3). The direction to which mirror descent on W is
    proved to converge.

    Parameters
    ----------
    problem : AttentionProblem
        One problem or a batch; its labels play no part.
    tokens : integer Tensor (..., n)
        The chosen token alpha of each input, as from `AttentionProblem.optimal_tokens`.
    p : float
        Exponent of the norm, from 1.05 to 20.
    solver : {"dual", "cvxpy"}
        "dual" is exact and fast: an interior point method on a whole batch at once and, from some
        thousands of constraints on, L-BFGS on the dual, which for p above 3 comes less close.
        "cvxpy" is the textbook model, for comparison.
    required : bool Tensor (..., n), optional
        False for inputs whose margins only have to be nonnegative: the relaxed problem of the
        joint case, where only support vectors of the classifier need margin 1. All True unless
        given.
    tol : float, optional
        The relative gap and violation to accept: 1e-8 unless given, 1e-5 for cvxpy.

    Returns
    -------
    Solution

    Raises
    ------
    InfeasibleError
        If no W sets the tokens apart. It names input and token and carries the certificate.
    NotSolvedError
        If ``tol`` was not reached. It carries what was.
    ValueError
        For a token equal to the chosen one, a zero query, inputs of one token each, an unknown
        solver, or a bad shape or p.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
    >>> solution = attention_svm(problem, problem.optimal_tokens(v), p=1.5)
    >>> solution.W.shape, bool(solution.gap < 1e-8), bool(solution.margins.min() >= 1)
    (torch.Size([10, 10]), True, True)
    """
    if solver not in ("dual", "cvxpy"):
        raise ValueError(f"solver must be 'dual' or 'cvxpy', got {solver!r}")
    rows = TokenRows(problem, tokens, required)
    if solver == "dual":
        tol = 1e-8 if tol is None else tol
        found = _by_dual(rows.constraints, p, tol)
    else:
        tol = 1e-5 if tol is None else tol
        found = _by_textbook(rows.constraints, p)
    return rows.restore(_certified(rows.constraints, p, *found, tol, rows.name))


def classifier_svm(features: Any, labels: Any, p: float, tol: float = 1e-8) -> Solution:
    r"""Solve the l_p-SVM: the smallest v that gives every input a margin of 1.

    .. math:: \min_v \|v\|_p \quad\text{subject to}\quad y_i\, v^\top x_i \ge 1 \text{ for all } i

    (problem l_p-SVM of the paper, its Section 4, where x_i is the selected token). The label margin
    is the reciprocal of `Solution.norm`.

    Parameters
    ----------
    features : array (..., n, d)
        One row for each input; leading axes are a batch.
    labels : array (..., n)
        -1 or +1.
    p : float
        Exponent of the norm, from 1.05 to 20.
    tol : float
        The relative gap to accept.

    Returns
    -------
    Solution

    Raises
    ------
    InfeasibleError
        If no v separates the labels. It names inputs and carries the certificate.
    NotSolvedError
        If ``tol`` was not reached. It carries what was.
    ValueError
        For an input of zeros, a label other than -1 or +1, or a bad shape or p.

    Examples
    --------
    >>> solution = classifier_svm([[3.0, 1.0], [1.0, 3.0]], [1, -1], p=2)
    >>> solution.v
    tensor([ 0.5000, -0.5000], dtype=torch.float64)
    """
    rows = SampleRows(features, labels)
    found = _by_dual(rows.constraints, p, tol)
    return rows.restore(_certified(rows.constraints, p, *found, tol, rows.name))


def _by_dual(A: Constraints, p: float, tol: float) -> tuple[Tensor, Tensor]:
    """Solve a batch (first axis) in units in which the longest row of A has norm 1."""
    A = A.scaled(1 / A.row_norms(LpPotential(p).q).amax(-1))
    w, multipliers = _each(A, p, tol)
    if p > 2 and (~(A.margins(w) > 0) & A.required).any():
        # Whether there is a solution does not depend on p, and p = 2 finds a proof of no with ease.
        proof = _each(A, 2.0, tol)[1]
        proved = lower_bound(A, LpPotential(p), proof) >= _hopeless(A, p)
        multipliers = torch.where(proved[:, None], proof, multipliers)
    return w, multipliers  # certify scales both


def _each(A: Constraints, p: float, tol: float) -> tuple[Tensor, Tensor]:
    """Solve small problems together, large ones one after the other."""
    limit = _hopeless(A, p)
    room = _WORKSPACE * (_STEEP if p > 3 else 1)
    if A.workspace > room:
        found = [lbfgs(A[i], p, tol, limit[i]) for i in range(len(limit))]
        w, multipliers = (torch.stack(part) for part in zip(*found, strict=True))
        return w, multipliers
    size = room // A.workspace
    goal = 1e-3 * tol  # cheap to reach here, and w is as good as the square root of the gap
    found = [
        interior_point(A[i : i + size], p, goal, limit[i : i + size])
        for i in range(0, len(limit), size)
    ]
    w, multipliers = (torch.cat(part) for part in zip(*found, strict=True))
    return w, multipliers


def _by_textbook(A: TokenConstraints, p: float) -> tuple[Tensor, Tensor]:
    found = []
    for i in range(len(A.z)):
        one = A[i]
        bound = one.bound.reshape(one.lead.shape[:-1])
        found.append(textbook(one.lead.numpy(), one.z.numpy(), bound.numpy(), p))
    W, multipliers = (torch.as_tensor(np.stack(part)) for part in zip(*found, strict=True))
    return W.flatten(-2), multipliers


def _hopeless(A: Constraints, p: float) -> Tensor:
    """The norm beyond which a problem counts as infeasible."""
    alone = 1 / A.row_norms(LpPotential(p).q).masked_fill(~A.required, torch.inf).amin(-1)
    return _INFEASIBLE * alone


def _certified(
    A: Constraints, p: float, w: Tensor, multipliers: Tensor, tol: float, name: Name
) -> Solution:
    """Certify the solutions of a batch; raise for the first that fails."""
    bound = lower_bound(A, LpPotential(p), multipliers)
    for i in (bound >= _hopeless(A, p)).nonzero()[:, 0].tolist():
        share = multipliers[i] * A[i].required
        share = share / share.sum()
        most = [name(i, j) for j in share.topk(min(3, len(share))).indices.tolist() if share[j] > 0]
        raise InfeasibleError(
            f"no weights reach the margins: the constraints of {'; '.join(most)} contradict each "
            f"other (they carry {share.topk(len(most)).values.sum():.0%} of the certificate; any "
            f"solution would need norm {bound[i]:.0e}). Choose other tokens, or drop an input",
            share,
            bound[i].item(),
        )
    solution = certify(A, p, w, multipliers)
    error = torch.maximum(solution.gap.abs(), solution.violation)
    for i in (~(error <= tol)).nonzero()[:, 0].tolist():
        raise NotSolvedError(
            f"problem {i} of {len(error)}: reached a relative gap of {solution.gap[i]:.1e} and a "
            f"violation of {solution.violation[i]:.1e}, short of {tol:.0e}; raise tol to accept it",
            solution,
        )
    return solution

r"""Max-margin problems in the l_p norm, solved with proof: attention_svm and classifier_svm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.geometry.potentials import LpPotential
from mdlib.svm.arrays import Array, Index
from mdlib.svm.problems import MarginProblem, SampleProblem, TokenProblem, as_float64
from mdlib.svm.sensitivity import Implicit
from mdlib.svm.solution import Certificate, InfeasibleError, NotSolvedError, Solution, blank
from mdlib.svm.textbook import textbook

_GOAL = 1e-4  # of the tolerance: cheap to reach, and w is as good as the square root of the gap
_THIN = 1e-6  # a margin from where on float64 rounds away digits that the tolerance asks for


class _Found(NamedTuple):
    """What a solver brings back of a batch (first axis), whatever it is worth."""

    w: Array  # (B, D)
    multipliers: Array  # (B, m)
    infeasible: Any  # (B,) bool: the multipliers are the proof
    steps: Index  # (B,)
    method: str


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

    (problem l_p-AttSVM of the paper). The direction to which mirror descent on W is proved to
    converge.

    Parameters
    ----------
    problem : AttentionProblem
        One problem or a batch; its labels play no part.
    tokens : integer Tensor (..., n)
        The chosen token alpha of each input, as from `AttentionProblem.optimal_tokens`.
    p : float
        Exponent of the norm, from 1.05 to 20.
    solver : {"dual", "cvxpy"}
        "dual" is an interior point method with a multiplier for each token: certified, compiled
        on its first call (some seconds, once), at most 200 steps on either side of the problem.
        "cvxpy" is the textbook model, for comparison.
    required : Tensor (..., n), optional
        The margin that each input needs instead of 1, between 0 and 1. False (or 0) for inputs
        whose margins only have to be nonnegative: the relaxed problem of the joint case, where only
        support vectors of the classifier need margin 1.
    tol : float, optional
        The relative gap and violation to accept: 1e-8 unless given, 1e-5 for cvxpy.

    Returns
    -------
    Solution
        Weights, norm, margins and multipliers are differentiable in X and z where one of them
        requires a gradient.

    Raises
    ------
    InfeasibleError
        If no W sets the tokens apart. It names input and token and carries the certificate.
    NotSolvedError
        If ``tol`` was not reached. It carries what was.
    cvxpy.SolverError
        From solver "cvxpy", if it has no answer.
    ModuleNotFoundError
        From solver "cvxpy", if cvxpy is not installed.
    ValueError
        For a token equal to the chosen one, a zero query, inputs of one token each, an empty
        batch, an unknown solver, or a bad shape, p or tol.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
    >>> solution = attention_svm(problem, problem.optimal_tokens(v), p=1.5)
    >>> solution.W.shape, bool(solution.gap < 1e-8), bool(solution.margins.min() >= 1)
    (torch.Size([10, 10]), True, True)
    """
    if solver not in ("dual", "cvxpy"):
        raise ValueError(f"solver must be 'dual' or 'cvxpy', got {solver!r}")
    tol = _checked_tol(tol, default=1e-8 if solver == "dual" else 1e-5)
    asked = TokenProblem(problem, tokens, required)
    return _answer(asked, p, tol, _by_dual if solver == "dual" else _by_textbook)


def classifier_svm(features: Any, labels: Any, p: float, tol: float | None = None) -> Solution:
    r"""Solve the l_p-SVM: the smallest v that gives every input a margin of 1.

    .. math:: \min_v \|v\|_p \quad\text{subject to}\quad y_i\, v^\top x_i \ge 1 \text{ for all } i

    (problem l_p-SVM of the paper, where x_i is the selected token). The label margin is the
    reciprocal of `Solution.norm`.

    Parameters
    ----------
    features : array (..., n, d)
        One row for each input; leading axes are a batch. A scipy.sparse matrix is taken too.
    labels : array (..., n)
        -1 or +1.
    p : float
        Exponent of the norm, from 1.05 to 20.
    tol : float, optional
        The relative gap to accept: 1e-8 unless given.

    Returns
    -------
    Solution
        Weights, norm, margins and multipliers are differentiable in the features where these
        require a gradient.

    Raises
    ------
    InfeasibleError
        If no v separates the labels. It names inputs and carries the certificate.
    NotSolvedError
        If ``tol`` was not reached. It carries what was.
    ValueError
        For an input of zeros, a label other than -1 or +1, words, or a bad shape or p.

    Examples
    --------
    >>> solution = classifier_svm([[3.0, 1.0], [1.0, 3.0]], [1, -1], p=2)
    >>> solution.v
    tensor([ 0.5000, -0.5000], dtype=torch.float64)
    """
    tol = _checked_tol(tol, default=1e-8)
    return _answer(SampleProblem(features, labels), p, tol, _by_dual)


@torch.no_grad()
def label_margin(features: Any, labels: Any, p: float, tol: float = 1e-6) -> Tensor:
    r"""Return the label margin, :math:`\max_{\|v\|_p \le 1} \min_i y_i\, v^\top x_i`, (...).

    The reciprocal of the norm of `classifier_svm`'s solution; 0 where no v separates the labels or
    an input is zero, which is no error here. Arguments and other errors are those of
    `classifier_svm`.

    Examples
    --------
    >>> margins = label_margin([[[3.0], [1.0]], [[1.0], [1.0]]], [[1, 1], [1, -1]], p=2)
    >>> [round(margin, 6) for margin in margins.tolist()]
    [1.0, 0.0]
    """
    features = as_float64("features", features)
    zero = ~features.any(-1)
    asked = SampleProblem(torch.where(zero[..., None], 1.0, features), labels)
    p = LpPotential(p).p
    arrays = _arrays(asked)
    found = _by_dual(arrays, p, tol)
    C = _certificate(arrays, p, found)
    hopeless = found.infeasible | zero.any(-1).flatten().cpu().numpy()
    missed = ~hopeless & ~(np.abs(C.gap) <= tol)
    if missed.any():
        reached = C.gap[missed].max()
        raise NotSolvedError(
            f"reached a relative gap of {reached:.1e}, short of {tol:.0e}",
            _solution(asked, p, found, C),
        )
    margins = torch.from_numpy(1 / np.where(hopeless, np.inf, C.norm))
    return margins.to(features.device).reshape(asked.batch)


def _arrays(asked: MarginProblem) -> tuple[Array, Array, Array]:
    """Return x, z and the bounds of a batch for the compiled functions."""
    parts = asked.x, asked.z, asked.bound
    x, z, bound = (np.ascontiguousarray(v.detach().cpu().numpy()) for v in parts)
    return x, z, bound


def _by_dual(arrays: tuple[Array, Array, Array], p: float, tol: float) -> _Found:
    from mdlib.svm.interior import INFEASIBLE, interior_points  # late: numba costs half a second

    w, multipliers, ended, steps = interior_points(*arrays, p, tol, _GOAL * tol)
    return _Found(w, multipliers, ended == INFEASIBLE, steps, "interior point")


def _by_textbook(arrays: tuple[Array, Array, Array], p: float, tol: float) -> _Found:
    """Solve one problem of the batch after the other with cvxpy."""
    each = zip(*arrays, strict=True)
    found = [textbook(x, z, bound.reshape(x.shape[:-1]), p) for x, z, bound in each]
    W, multipliers, steps = (np.stack(part) for part in zip(*found, strict=True))
    return _Found(W.reshape(len(W), -1), multipliers, steps < 0, steps, "cvxpy")


def _certificate(arrays: tuple[Array, Array, Array], p: float, found: _Found) -> Certificate:
    from mdlib.svm.duality import certify  # late, as above

    C = blank(*arrays[2].shape)
    certify(*arrays, p, found.w, found.multipliers, C)
    return C


def _solution(asked: MarginProblem, p: float, found: _Found, C: Certificate) -> Solution:
    """Give the numbers the shapes that were asked for."""
    batch, weight, rows = asked.batch, asked.weight, asked.rows

    def shaped(values: Any, *last: int) -> Tensor:
        return torch.from_numpy(values).to(asked.x.device).reshape((*batch, *last))

    return Solution(
        weights=shaped(found.w, *weight),
        p=p,
        norm=shaped(C.norm),
        margins=shaped(C.margins, *rows),
        multipliers=shaped(found.multipliers, *rows),
        support=shaped(C.support, *rows),
        gap=shaped(C.gap),
        violation=shaped(C.violation),
        stationarity=shaped(C.stationarity),
        steps=shaped(found.steps),
        method=found.method,
    )


def _answer(asked: MarginProblem, p: float, tol: float, solve: Callable[..., _Found]) -> Solution:
    """Solve and certify a batch; raise for the first problem that fails."""
    p = LpPotential(p).p
    arrays = _arrays(asked)
    found = solve(arrays, p, tol)
    C = _certificate(arrays, p, found)
    for i in found.infeasible.nonzero()[0].tolist():
        raise _infeasible(asked, i, found.multipliers[i], C.bound[i])
    solution = _solution(asked, p, found, C)
    error = np.maximum(np.abs(C.gap), C.violation)
    for i in (~(error <= tol)).nonzero()[0].tolist():
        raise NotSolvedError(_shortfall(asked, p, i, solution, C, tol), solution)
    if torch.is_grad_enabled() and (asked.x.requires_grad or asked.z.requires_grad):
        return _differentiable(asked, p, solution)
    return solution


def _differentiable(asked: MarginProblem, p: float, solution: Solution) -> Solution:
    """Let gradients pass from weights, norm, margins and multipliers to the rows."""
    B, m = asked.bound.shape
    w, multipliers = Implicit.apply(  # type: ignore[no-untyped-call]
        asked.x,
        asked.z,
        asked.bound,
        solution.weights.reshape(B, -1),
        solution.multipliers.reshape(B, m),
        p,
    )
    W = w.reshape(B, asked.x.shape[-1], asked.z.shape[-1])
    margins = (asked.x @ (asked.z @ W.mT)[..., None]).reshape(B, m)
    margins = margins.where(asked.bound >= 0, torch.inf)
    return replace(
        solution,
        weights=w.reshape(solution.weights.shape),
        norm=LpPotential(p).norm(w, dim=-1).reshape(solution.norm.shape),
        margins=margins.reshape(solution.margins.shape),
        multipliers=multipliers.reshape(solution.multipliers.shape),
    )


def _shortfall(
    asked: MarginProblem, p: float, i: int, solution: Solution, C: Certificate, tol: float
) -> str:
    """Say how far it came, and what held it up."""
    steps = int(solution.steps.reshape(-1)[i])
    start = f"problem {i} of {len(C.gap)}: after {steps} steps"
    if np.isinf(C.gap[i]):
        return f"{start} found neither weights with all margins nor a proof that there are none"
    x, z = asked.x[i].detach(), asked.z[i].detach()
    longest = LpPotential(p).dual_norm(x, dim=-1) * LpPotential(p).dual_norm(z, dim=-1)[:, None]
    thin = 1 / (C.norm[i] * longest.max().item())
    reason = f", the margin being {thin:.0e} of the longest row's" if thin < _THIN else ""
    return (
        f"{start} reached a relative gap of {C.gap[i]:.1e} and a violation of "
        f"{C.violation[i]:.1e}, short of {tol:.0e}{reason}; raise tol to accept it"
    )


def _infeasible(asked: MarginProblem, i: int, multipliers: Array, bound: float) -> InfeasibleError:
    """Name the constraints that carry the most of the proof."""
    weights = multipliers / multipliers[(asked.bound[i] > 0).cpu().numpy()].sum()
    heaviest = np.argsort(-weights, kind="stable")[:3]
    named = [asked.name(i, j) for j in heaviest.tolist() if weights[j] > 0]
    return InfeasibleError(
        f"no weights reach the margins: the constraints of {'; '.join(named)} contradict each "
        f"other (they carry {weights[heaviest].sum() / weights.sum():.0%} of the certificate; no "
        f"weights of norm below {bound:.0e} will do). {asked.remedy}",
        i, torch.from_numpy(weights).to(asked.x.device).reshape(asked.rows), float(bound),
    )  # fmt: skip


def _checked_tol(tol: float | None, default: float) -> float:
    tol = default if tol is None else tol
    if not 0 < tol < 1:
        raise ValueError(f"tol must lie between 0 and 1, got {tol}")
    return tol

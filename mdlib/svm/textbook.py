"""The attention SVM as a textbook writes it, handed to cvxpy: one problem, slow, independent."""

from __future__ import annotations

from typing import Any

import numpy as np


def textbook(
    lead: np.ndarray, z: np.ndarray, bound: np.ndarray, p: float
) -> tuple[np.ndarray, np.ndarray, int]:
    """Minimise ||W||_p subject to lead_it . W z_i >= bound_it; return W, multipliers and steps.

    The solver is Clarabel, by name: cvxpy's own choice changes with p and with its version.

    Parameters
    ----------
    lead : array (n, T - 1, d)
    z : array (n, d)
    bound : array (n, T - 1)
        Constraints with a negative bound are left out.

    Returns
    -------
    W : array (d, d)
    multipliers : array (n * (T - 1),)
        In the order of ``bound``; 0 for what was left out.
    steps : int

    Raises
    ------
    cvxpy.SolverError
        If Clarabel ends without weights, as on a problem that has no solution.
    ModuleNotFoundError
        If cvxpy is not installed.
    """
    cp = _cvxpy()
    n, others, d = lead.shape
    there = bound.ravel() >= 0
    rows = lead.reshape(n * others, d)[there]
    queries = np.repeat(z, others, axis=0)[there]
    W = cp.Variable((d, d))
    margins = cp.sum(cp.multiply(rows @ W, queries), axis=1)
    constraint = margins >= bound.ravel()[there]
    model = cp.Problem(cp.Minimize(cp.pnorm(W, p)), [constraint])
    model.solve(solver=cp.CLARABEL)
    if W.value is None:
        raise cp.SolverError(
            f"Clarabel ended with status {model.status!r}; solver='dual' says which tokens are at "
            "fault, if there is no solution"
        )
    multipliers = np.zeros(n * others)
    multipliers[there] = constraint.dual_value
    return W.value, multipliers, model.solver_stats.num_iters


def _cvxpy() -> Any:
    """Import cvxpy: as long as all of `mdlib` besides torch, and for this comparison alone."""
    try:
        import cvxpy
    except ModuleNotFoundError as missing:
        raise ModuleNotFoundError(
            "solver='cvxpy' needs cvxpy, which comes with "
            "pip install 'attention-in-the-mirror[book]'; solver='dual' does without"
        ) from missing
    return cvxpy

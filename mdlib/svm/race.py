"""The race SVM: where W goes while v grows beside it, between the full and the relaxed problem."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.geometry.potentials import LpPotential
from mdlib.svm.solution import NotSolvedError, Solution
from mdlib.svm.solve import attention_svm, classifier_svm

_TOL = 1e-7  # of the norm: ten times what the SVM's own gap allows it to be off by
_SOLVES = 60  # each at least halves the bracket; about eight are needed


@torch.no_grad()
def race_svm(
    problem: AttentionProblem,
    tokens: Tensor,
    W: Tensor,
    v: Tensor,
    p: float,
    svm: Callable[..., Solution] = attention_svm,
) -> Solution:
    r"""Solve the W-SVM between full and relaxed that belongs to the norms of W and v.

    Input i moves W in proportion to the slope of its loss, exp(-m_i), and to its leak, exp(-gap_i).
    In the limit these balance. With :math:`\gamma_i \ge 1` the margins of the l_p-SVM of the chosen
    tokens, and :math:`\rho` the label margin of v over the attention margin of W, input i needs the
    attention margin

    .. math:: b_i = \max(0,\ 1 - \rho\,(\gamma_i - 1)) , \qquad
        \rho = \frac{\|v\|_p / \|v_{mm}\|_p}{\|W\|_p / \|U\|_p} ,

    where U is the solution itself. A larger :math:`\|U\|_p` asks for smaller margins and so gives a
    smaller norm: the norm asked about and the norm found always enclose the fixed point, which is
    how it is found and how its error is known.

    Parameters
    ----------
    problem : AttentionProblem
        One problem or a batch.
    tokens : integer Tensor (..., n)
        The selection.
    W : Tensor (..., d, d)
    v : Tensor (..., d)
        Weights of a joint run; only their norms count.
    p : float
        Exponent of the norm, from 1.05 to 20.
    svm : callable
        Takes the arguments of `mdlib.attention_svm`.

    Returns
    -------
    Solution
        Of the l_p-AttSVM with the required margins b, certified for these.

    Raises
    ------
    InfeasibleError
        If no W selects these tokens, or no v separates their labels.
    NotSolvedError
        If the norm of the solution stays more than 1e-7 of itself off the one asked about.
    ValueError
        If W is zero: the two norms have no ratio yet.

    Examples
    --------
    >>> from mdlib import joint_descent
    >>> problem, tokens = AttentionProblem.planted(n=4, T=3, d=8, p=2, seed=1, spare=2)
    >>> run = joint_descent(problem, p=2, steps=500)
    >>> race = race_svm(problem, tokens, run.W[-1], run.v[-1], p=2)
    >>> full = attention_svm(problem, tokens, p=2)
    >>> bool(race.norm <= full.norm), bool(race.gap < 1e-8)
    (True, True)
    """
    W, v = problem.weight("W", W, 2).double(), problem.weight("v", v, 1).double()
    psi = LpPotential(p)
    size = psi.norm(W, dim=(-2, -1))
    if (size == 0).any():
        raise ValueError("W must not be zero: the race is between the norms of W and v")
    tokens = problem.checked_tokens(tokens)
    chosen = problem.X.take_along_dim(tokens[..., None, None], -2)[..., 0, :]
    decoder = classifier_svm(chosen, problem.y.expand(chosen.shape[:-1]), p)
    spare = (decoder.margins - 1).where(~decoder.support, 0.0)  # rounding must not race
    rate = psi.norm(v, dim=-1) / decoder.norm / size  # rho = rate times the norm of the solution

    low, high = torch.zeros_like(rate), torch.full_like(rate, torch.inf)
    norm = svm(problem, tokens, p).norm
    for _ in range(_SOLVES):
        needed = 1 - (rate * norm)[..., None] * spare
        found = svm(problem, tokens, p, required=needed.clamp(0, 1))
        error = ((found.norm - norm).abs() / norm).max().item()
        if error <= _TOL:
            return found
        low = torch.maximum(low, torch.minimum(norm, found.norm))
        high = torch.minimum(high, torch.maximum(norm, found.norm))
        norm = (low + high) / 2
    raise NotSolvedError(
        f"the norm of the race SVM is off by {error:.1e} of itself after {_SOLVES} solves",
        found,
    )

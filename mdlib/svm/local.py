"""Local optimality: whether a selection beats its support tokens."""

from __future__ import annotations

from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.svm.solve import attention_svm


def is_locally_optimal(problem: AttentionProblem, tokens: Tensor, v: Tensor, p: float) -> Tensor:
    r"""Return whether a selection is locally optimal in the paper's sense, bool (...).

    It is when the chosen token of every input has a higher score than each of its support tokens,
    those whose constraint :math:`(X_{i\alpha_i} - X_{it})^\top W z_i \ge 1` is tight at the
    solution of the l_p-AttSVM. The tokens further away do not matter.

    Parameters
    ----------
    problem : AttentionProblem
    tokens : integer Tensor (..., n)
    v : Tensor (..., d)
    p : float

    Raises
    ------
    InfeasibleError
        If no W selects these tokens; see `mdlib.attention_svm`.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
    >>> is_locally_optimal(problem, problem.optimal_tokens(v), v, p=2)
    tensor(True)
    >>> is_locally_optimal(problem, problem.scores(v).argmin(-1), v, p=2)
    tensor(False)
    """
    support = attention_svm(problem, tokens, p).support
    scores, chosen = problem.scores(v), problem.checked_tokens(tokens)[..., None]
    axes = max(scores.ndim, chosen.ndim)  # many selections of one problem, many v of one selection
    scores, chosen = (x.reshape((1,) * (axes - x.ndim) + x.shape) for x in (scores, chosen))
    best = scores.take_along_dim(chosen, -1)
    return (~support | (scores < best)).all(-1).all(-1)

"""Mirror descent on W with the decoder fixed, l_p-AttGD."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.descent.loop import Exponent, Rate, as_potential, descend, start, weights
from mdlib.descent.trajectory import Trajectory


@torch.no_grad()
def attention_descent(
    problem: AttentionProblem,
    v: Tensor,
    p: Exponent,
    steps: int,
    lr: Rate = 0.1,
    normalize: bool = True,
    W0: Tensor | None = None,
    loss: str = "logistic",
    record: int | Sequence[int] = 60,
    progress: bool | None = None,
) -> Trajectory:
    r"""Run l_p-AttGD: mirror descent on W with the decoder v fixed.

    .. math:: \nabla\psi(W_{k+1}) = \nabla\psi(W_k) - \eta\, \nabla_W L(W_k, v)

    and with ``normalize`` (the paper's experiments) the gradient divided by its dual norm first.
    The gradient stays exact however far softmax saturates, see
    `AttentionProblem.scaled_gradient`. The dual point is carried, W is read off it.

    Parameters
    ----------
    problem : AttentionProblem
        One problem or a batch; the batch costs little more than one.
    v : Tensor (..., d)
        The decoder.
    p : float or Potential
        Exponent of `LpPotential`, or any potential; to be normalised it needs a dual norm.
    steps : int
        Number of steps.
    lr : float or function of the step number
        The step size eta, measured in the dual; a function is asked for k = 1, ..., steps.
    W0 : Tensor (..., d, d), optional
        Where to start; zero unless given.
    loss : {"logistic", "exponential", "linear"}
    record : int or sequence of int
        About how many steps to record, log-spaced, with the first and the last; or which ones.
        Memory is proportional to it.
    progress : bool, optional
        Show a progress bar; by default for long runs on a terminal.

    Returns
    -------
    Trajectory

    Raises
    ------
    ValueError
        For a bad number of steps, step size, record, or shape of v or W0.
    FloatingPointError
        If W is no longer finite: the step size was too large for this potential.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
    >>> run = attention_descent(problem, v, p=2, steps=2000)
    >>> bool((run.selected == problem.optimal_tokens(v)).all())
    True
    >>> bool(run.risk[-1] < run.risk[0])
    True
    """
    W0, v = start("W0", W0, problem, axes=2), start("v", v, problem, axes=1)
    W, fixed, batch = weights(problem, W0, v, (as_potential(p), None), normalize)
    run = descend(problem, W, fixed, batch, steps, (lr, 1.0), loss, record, progress)
    return Trajectory(run.steps, run.W, run.risk, run.attention, run.log_time)

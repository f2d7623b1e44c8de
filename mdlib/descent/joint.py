"""Mirror descent on W and v together, l_p-JointGD."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.descent.loop import Exponent, Rate, as_potential, descend, start, weights
from mdlib.descent.trajectory import JointTrajectory


@torch.no_grad()
def joint_descent(
    problem: AttentionProblem,
    p: Exponent | tuple[Exponent, Exponent],
    steps: int,
    lr: Rate | tuple[Rate, Rate] = 0.1,
    normalize: bool = True,
    W0: Tensor | None = None,
    v0: Tensor | None = None,
    loss: str = "logistic",
    record: int | Sequence[int] = 60,
    progress: bool | None = None,
) -> JointTrajectory:
    r"""Run l_p-JointGD: mirror descent on W and v together, each by its own gradient.

    .. math::
        \nabla\psi(W_{k+1}) = \nabla\psi(W_k) - \eta\, \nabla_W L(W_k, v_k), \qquad
        \nabla\psi(v_{k+1}) = \nabla\psi(v_k) - \eta\, \nabla_v L(W_k, v_k)

    and with ``normalize`` (the paper's experiment) each gradient divided by its own dual norm
    first. A pair as ``p`` or ``lr`` is for W and for v. As in `attention_descent` the gradients
    stay exact: log softmax is carried and, because v grows and the inputs compete, the log of the
    loss's slope at each input.

    Parameters
    ----------
    problem : AttentionProblem
        One problem or a batch.
    p : float or Potential, or a pair of them
    steps : int
    lr : float or function of the step number, or a pair of them
    W0 : Tensor (..., d, d), optional
    v0 : Tensor (..., d), optional
        Where to start; zero unless given. While v is zero W has no gradient, and stays.
    loss, record, progress
        As for `attention_descent`.

    Returns
    -------
    JointTrajectory

    Raises
    ------
    ValueError
        For a bad number of steps, step size, record, or shape of W0 or v0.
    FloatingPointError
        If a weight is no longer finite: the step size was too large for its potential.

    Examples
    --------
    >>> problem, _ = AttentionProblem.random(n=3, T=4, d=6, seed=1)
    >>> run = joint_descent(problem, p=2, steps=1000)
    >>> run.W.shape[1:], run.v.shape[1:]
    (torch.Size([6, 6]), torch.Size([6]))
    >>> outputs = problem.predict(run.W[-1], run.v[-1])
    >>> bool((outputs.sign() == problem.y).all())
    True
    """
    p_W, p_v = p if isinstance(p, tuple) else (p, p)
    rates = lr if isinstance(lr, tuple) else (lr, lr)
    W0, v0 = start("W0", W0, problem, axes=2), start("v0", v0, problem, axes=1)
    W, v, batch = weights(problem, W0, v0, (as_potential(p_W), as_potential(p_v)), normalize)
    return descend(problem, W, v, batch, steps, rates, loss, record, progress)

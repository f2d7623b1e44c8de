"""attention_descent and joint_descent: mirror descent on W, or W and v, many problems at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from mdlib.attention.losses import loss_named
from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import one_axis
from mdlib.descent.steps import CompiledSteps, Steps, TorchSteps, Weight
from mdlib.descent.trajectory import JointTrajectory, Trajectory, recorded_steps
from mdlib.geometry import LpPotential, Potential

_LONG_RUN = 5000  # steps from which a progress bar is worth its line
_STRIDE = 500  # steps between two looks at the bar

Exponent = float | Potential
Rate = float | Callable[[int], float]


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
    W0, v = _start("W0", W0, problem, axes=2), _start("v", v, problem, axes=1)
    W, fixed, batch = _weights(problem, W0, v, (_potential(p), None), normalize)
    run = _descend(problem, W, fixed, batch, steps, (lr, 1.0), loss, record, progress)
    return Trajectory(run.steps, run.W, run.risk, run.attention, run.log_time)


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
    W0, v0 = _start("W0", W0, problem, axes=2), _start("v0", v0, problem, axes=1)
    W, v, batch = _weights(problem, W0, v0, (_potential(p_W), _potential(p_v)), normalize)
    return _descend(problem, W, v, batch, steps, rates, loss, record, progress)


def _potential(p: Exponent) -> Potential:
    return p if isinstance(p, Potential) else LpPotential(p)


def _start(name: str, weight: Tensor | None, problem: AttentionProblem, axes: int) -> Tensor:
    """The given start, checked, or zero; in the dtype and on the device of the tokens."""
    if weight is None:
        return problem.X.new_zeros(problem.X.shape[-1:] * axes)
    weight = problem.weight(name, weight, axes)
    if not weight.isfinite().all():
        where = tuple((~weight.isfinite()).nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {weight[where]:g} at {where}")
    return weight


def _weights(
    problem: AttentionProblem,
    W0: Tensor,
    v0: Tensor,
    p: tuple[Potential, Potential | None],
    normalize: bool,
) -> tuple[Weight, Weight, torch.Size]:
    """W and v with one axis of problems, and the batch axes that it stands for."""
    batch = torch.broadcast_shapes(problem.y.shape[:-1], W0.shape[:-2], v0.shape[:-1])  # type: ignore[no-untyped-call]
    if 0 in batch:
        raise ValueError(f"the batch is empty: its axes are {tuple(batch)}")
    W, v = (
        Weight(one_axis(start, batch, 2), psi, normalize)
        for start, psi in zip((W0, v0[..., None, :]), p, strict=True)
    )
    return W, v, batch


def _descend(
    problem: AttentionProblem,
    W: Weight,
    v: Weight,
    batch: torch.Size,
    steps: int,
    rates: tuple[Rate, Rate],
    loss: str,
    record: int | Sequence[int],
    progress: bool | None,
) -> JointTrajectory:
    """Run the steps from one record to the next."""
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    loss_named(loss)
    keep = recorded_steps(record, steps)
    engine = CompiledSteps if CompiledSteps.can(problem, W, v) else TorchSteps
    descent: Steps = engine(problem, W, v, loss, batch)
    rows, k = [], 0
    silent = _silent(progress, steps)
    with tqdm(total=keep[-1], unit="step", leave=False, disable=silent, delay=1.0) as bar:
        for stop in keep:
            while k < stop:
                span = range(k + 1, min(stop, k + _STRIDE) + 1)
                descent.advance(*([_rate(lr, j) for j in span] for lr in rates))
                k = span[-1]
                bar.update(len(span))
            rows.append(_snapshot(problem, W, v, batch, loss, k))
    kept = torch.tensor(keep, device="cpu")
    return JointTrajectory(kept, *map(torch.stack, zip(*rows, strict=True)))


def _snapshot(
    problem: AttentionProblem, W: Weight, v: Weight, batch: torch.Size, loss: str, k: int
) -> tuple[Tensor, ...]:
    """What a trajectory holds of one step, in the order of its fields."""
    for name, weight in (("W", W), ("v", v)):
        if not weight.value.isfinite().all():
            raise FloatingPointError(f"{name} is no longer finite by step {k}; take a smaller lr")
    at_W, at_v = W.value.view(*batch, *W.value.shape[1:]), v.value.view(*batch, -1)
    attention = problem.attention(at_W)
    risk = problem.risk_of(attention, at_v, loss)
    log_time_W, log_time_v = (weight.log_time.view(batch).clone() for weight in (W, v))
    return at_W.clone(), risk, attention, log_time_W, at_v.clone(), log_time_v


def _rate(lr: Rate, k: int) -> float:
    eta = lr(k) if callable(lr) else lr
    if not (math.isfinite(eta) and eta > 0):
        raise ValueError(f"lr must be finite and positive, got {eta} for step {k}")
    return float(eta)


def _silent(progress: bool | None, steps: int) -> bool | None:
    """What tqdm's ``disable`` takes: None leaves the bar to terminals."""
    if progress is None:
        return None if steps >= _LONG_RUN else True
    return not progress

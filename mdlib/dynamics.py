"""attention_descent: mirror descent on the attention weights, many problems at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from mdlib.attention import AttentionProblem
from mdlib.gradient import RiskGradient
from mdlib.potentials import LpPotential, Potential

_MATRIX = (-2, -1)
_LONG_RUN = 5000  # steps from which a progress bar is worth its line


@dataclass(frozen=True)
class Trajectory:
    """What a descent recorded. The first axis R runs over the recorded steps.

    Attributes
    ----------
    steps : int tensor (R,)
        Which steps; 0 is the start.
    W : Tensor (R, ..., d, d)
    risk : Tensor (R, ...)
    attention : Tensor (R, ..., n, T)
    log_time : Tensor (R, ...)
        Logarithm of the time of the mirror flow: the sum of lr over the gradient's dual norm for
        normalised steps, of lr for plain ones. It goes on where the time itself would overflow.
    """

    steps: Tensor
    W: Tensor
    risk: Tensor
    attention: Tensor
    log_time: Tensor

    @property
    def selected(self) -> Tensor:
        """The most attended token of each input at the last recorded step, (..., n)."""
        return self.attention[-1].argmax(-1)


@torch.no_grad()
def attention_descent(
    problem: AttentionProblem,
    v: Tensor,
    p: float | Potential,
    steps: int,
    lr: float | Callable[[int], float] = 0.1,
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
        For a bad number of steps, step size, record, or shape of W0.
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
    psi = p if isinstance(p, Potential) else LpPotential(p)
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    keep = _recorded_steps(record, steps)
    W0 = _start(problem, W0)
    gradient = RiskGradient(problem, v, loss, W0.shape[:-2])
    W, shape = gradient.flat(W0), (*gradient.batch, *W0.shape[-2:])
    dual = psi.mirror(W)
    log_time = W.new_full((len(W), 1, 1), -torch.inf)
    rows = []
    bar = tqdm(
        range(max(keep) + 1), unit="step", leave=False, disable=_silent(progress, steps), delay=1.0
    )
    for k in bar:
        if k > 0:
            G, log_scale = gradient(W)
            rate, log_dt = _pace(psi, G, log_scale, _rate(lr, k), normalize)
            dual = torch.addcmul(dual, rate, G, value=-1)
            W = psi.inverse(dual)
            log_time = torch.logaddexp(log_time, log_dt)
        if k in keep:
            _require_finite(W, k)
            at = W.reshape(shape)
            risk, attention = problem.risk(at, v, loss), problem.attention(at)
            rows.append((at, risk, attention, log_time.view(gradient.batch)))
    fields = (torch.stack(column) for column in zip(*rows, strict=True))
    return Trajectory(torch.tensor(sorted(keep)), *fields)


def _pace(
    psi: Potential, G: Tensor, log_scale: Tensor, lr: float, normalize: bool
) -> tuple[Tensor, Tensor]:
    """What G is multiplied by to be the step in the dual, and the log of the flow time it takes."""
    if not normalize:
        return lr * log_scale.exp(), torch.full_like(log_scale, math.log(lr))
    rate = lr / psi.dual_norm(G, dim=_MATRIX, keepdim=True)
    rate = rate.nan_to_num(posinf=0.0)  # no gradient: no step, no time
    return rate, rate.log() - log_scale


def _rate(lr: float | Callable[[int], float], k: int) -> float:
    eta = lr(k) if callable(lr) else lr
    if not (math.isfinite(eta) and eta > 0):
        raise ValueError(f"lr must be finite and positive, got {eta} for step {k}")
    return eta


def _start(problem: AttentionProblem, W0: Tensor | None) -> Tensor:
    d = problem.X.shape[-1]
    W0 = problem.X.new_zeros(d, d) if W0 is None else torch.as_tensor(W0)
    if W0.is_complex() or W0.shape[-2:] != (d, d):
        wanted = f"real, of shape (..., {d}, {d})"
        raise ValueError(f"W0 must be {wanted}; got {W0.dtype} of shape {tuple(W0.shape)}")
    if not W0.isfinite().all():
        where = tuple((~W0.isfinite()).nonzero()[0].tolist())
        raise ValueError(f"W0 must be finite, got {W0[where]:g} at {where}")
    return W0.to(problem.X)


def _recorded_steps(record: int | Sequence[int], steps: int) -> set[int]:
    if isinstance(record, int | np.integer):
        record = int(record)
        if record < 2:
            raise ValueError(f"record must be at least 2 steps, got {record}")
        spaced = steps ** torch.linspace(1, 0, record - 1, dtype=torch.float64)
        return {0, *spaced.round().long().tolist()}
    given = list(record) if isinstance(record, Iterable) else [record]
    if not given or min(given) < 0 or max(given) > steps or any(k != int(k) for k in given):
        raise ValueError(f"record must name steps within 0..{steps}, got {given}")
    return set(map(int, given))


def _silent(progress: bool | None, steps: int) -> bool | None:
    """What tqdm's ``disable`` takes: None leaves the bar to terminals."""
    if progress is None:
        return None if steps >= _LONG_RUN else True
    return not progress


def _require_finite(W: Tensor, k: int) -> None:
    if not W.isfinite().all():
        raise FloatingPointError(f"W is no longer finite by step {k}; take a smaller lr")

"""Loop of a descent: from one recorded step to the next, many problems at once."""

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


def start(name: str, weight: Tensor | None, problem: AttentionProblem, axes: int) -> Tensor:
    """The given start, checked, or zero; in the dtype and on the device of the tokens."""
    if weight is None:
        return problem.X.new_zeros(problem.X.shape[-1:] * axes)
    weight = problem.weight(name, weight, axes)
    if not weight.isfinite().all():
        where = tuple((~weight.isfinite()).nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {weight[where]:g} at {where}")
    return weight


def as_potential(p: Exponent) -> Potential:
    """Return the potential that an exponent stands for, or the potential itself."""
    return p if isinstance(p, Potential) else LpPotential(p)


def weights(
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


def descend(
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

"""Regularization path of W and v: the best of each pair of norms, along growing norms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mdlib.attention.losses import log_value
from mdlib.attention.problem import AttentionProblem
from mdlib.geometry.potentials import LpPotential
from mdlib.path.ball import Ball, DecoderBall
from mdlib.path.frank_wolfe import minimise
from mdlib.path.starts import check_effort, checked_radii, on_sphere, random_directions, taught

# Residual and rounds to which all starts run; the leader goes on alone. On twelve small problems
# 1e-3 picks the wrong leader once and one round twice; 1e-5 finds a better one once, as do fifty
# rounds, and either costs up to a fifth more.
_ROUGH, _RACE = 1e-4, 5
_TURN = 200  # most steps in one weight before it is the other's turn; 20 cost up to 30 % more
# Of r, on the way to the first v: on a large ball the risk has edges. Small problems do without.
_SHARES = 1 / 256, 1 / 64, 1 / 16, 1 / 4, 1.0
_TIE = 1e-9  # log risks that differ by less, relative, agree; 1e-10 and 1e-8 decide alike


class _Runs(NamedTuple):
    """Where turns ended, as points of the unit balls."""

    W: Tensor
    v: Tensor
    log_risk: Tensor
    residual_W: Tensor  # noqa: N815
    residual_v: Tensor


@dataclass(frozen=True)
class JointPath:
    r"""The joint regularization path. The first axis K runs over the pairs of radii; float64.

    Attributes
    ----------
    r, R : Tensor (K,)
        The radii of v and of W.
    W : Tensor (K, ..., d, d)
    v : Tensor (K, ..., d)
        The best point found.
    log_risk : Tensor (K, ...)
    residual_W, residual_v : Tensor (K, ...)
        How far each is from stationary while the other stands, as in `mdlib.AttentionPath`.
    spread : Tensor (K, ...)
        The largest log risk in which a start ended, less the smallest, all to a rough tolerance.
    attention : Tensor (K, ..., n, T)
    """

    r: Tensor
    R: Tensor
    W: Tensor
    v: Tensor
    log_risk: Tensor
    residual_W: Tensor  # noqa: N815
    residual_v: Tensor
    spread: Tensor
    attention: Tensor


@torch.no_grad()
def joint_path(
    problem: AttentionProblem,
    p: float,
    r: Sequence[float] | Tensor,
    R: Sequence[float] | Tensor | Callable[[Tensor], Tensor],
    starts: int = 4,
    loss: str = "logistic",
    tol: float = 1e-8,
    rounds: int = 100,
    seed: int = 0,
) -> JointPath:
    r"""Follow the l_p-JointRP of the paper along growing radii.

    .. math:: (W, v)(r, R) = \arg\min_{\|W\|_p \le R,\ \|v\|_p \le r} L(W, v)

    In v alone the problem is convex, in W alone it is that of `attention_path`. So the two take
    turns, each to its minimum on its ball, until neither moves. Each pair of radii has several
    starts: the last pair's point, no attention at all, and random directions of W. The best goes
    on to the tolerance; the risk never rises along the path. It is no proof of a global minimum.

    Parameters
    ----------
    problem : AttentionProblem
        One problem or a batch.
    p : float
        Exponent of `LpPotential`, for both.
    r : sequence of float (K,)
        Radii of v, positive and increasing.
    R : sequence of float (K,), or function of r
        Radii of W, likewise.
    starts : int
        Number of random directions.
    loss : {"logistic", "exponential"}
    tol : float
        Residual to stop at.
    rounds : int
        Most rounds a pair of radii. What was reached then is in the residuals; nothing is raised.
    seed : int
        Of the random directions.

    Returns
    -------
    JointPath

    Raises
    ------
    ValueError
        For bad radii, another loss, a negative number of starts, a tolerance or number of rounds
        that is not positive.

    Examples
    --------
    >>> problem, tokens = AttentionProblem.planted(n=3, T=4, d=5, p=2, seed=1)
    >>> path = joint_path(problem, p=2, r=[1, 10, 100], R=lambda r: 2 * r)
    >>> bool((path.attention[-1].argmax(-1) == tokens).all())
    True
    >>> bool((path.residual_W < 1e-7).all()), bool((path.residual_v < 1e-7).all())
    (True, True)
    """
    radii_v = checked_radii("r", r)
    radii_W = checked_radii("R", R(radii_v) if callable(R) else R)
    if len(radii_v) != len(radii_W):
        raise ValueError(f"r and R must be equally long, got {len(radii_v)} and {len(radii_W)}")
    check_effort(starts, tol, rounds=rounds)
    log_value(loss, problem.X.new_zeros(1))
    psi, batch = LpPotential(p), problem.y.shape[:-1]
    flat = problem.double().in_one_row(batch)
    W = torch.zeros_like(flat.X[:, 0].mT @ flat.X[:, 0])
    random = random_directions(psi, starts, seed, W)
    rows = []
    for r_v, r_W in zip(radii_v.tolist(), radii_W.tolist(), strict=True):
        turns = _Turns(flat, r_v, r_W, psi, loss)
        w, spread = _race(turns, [W / r_W, on_sphere(psi, W), turns.liked(W), *random], tol)
        w, v, log_risk, residual_W, residual_v = turns.take(w, tol, rounds)
        W = r_W * w
        rows.append((W, r_v * v[:, 0], log_risk, residual_W, residual_v, spread))
    columns = (torch.stack(column) for column in zip(*rows, strict=True))
    W, v, log_risk, residual_W, residual_v, spread = (
        x.reshape(-1, *batch, *x.shape[2:]) for x in columns
    )
    attention = problem.double().attention(W)
    return JointPath(radii_v, radii_W, W, v, log_risk, residual_W, residual_v, spread, attention)


class _Turns:
    """Minimise over v (N, 1, d) and over W (N, d, d) in turns, both as points of the unit ball.

    ``problem`` has one leading axis, of length N; ``r`` and ``R`` are the radii of v and of W.
    """

    def __init__(
        self, problem: AttentionProblem, r: float, R: float, psi: LpPotential, loss: str
    ) -> None:
        self.problem, self.r, self.R, self.psi, self.loss = problem, r, R, psi, loss

    def rows(self, keep: Tensor) -> _Turns:
        return _Turns(self.problem[keep], self.r, self.R, self.psi, self.loss)

    def take(self, W: Tensor, tol: float, rounds: int) -> _Runs:
        """Take turns until both residuals are at most tol."""
        W, v = W.clone(), self.first_v(W, tol)
        live = torch.arange(len(W), device=W.device)
        for _ in range(rounds):
            turns = self.rows(live)
            v[live] = minimise(turns.in_v(W[live]), v[live], tol, _TURN)
            W[live] = minimise(turns.in_W(v[live]), W[live], tol, _TURN)
            moved_v, moved_W = turns.in_v(W[live]).at(v[live]), turns.in_W(v[live]).at(W[live])
            live = live[torch.maximum(moved_v.residual, moved_W.residual) > tol]
            if not len(live):
                break
        in_v = self.in_v(W).at(v)
        return _Runs(W, v, in_v.value[:, 0, 0], self.in_W(v).at(W).residual, in_v.residual)

    def liked(self, like: Tensor) -> Tensor:
        """The point of the ball that the gradient at W = 0 likes best, with the v for that W."""
        W = torch.zeros_like(like)
        return self.psi.inverse(self.in_W(self.first_v(W, _ROUGH)).at(W).pull)

    def first_v(self, W: Tensor, tol: float) -> Tensor:
        """The best v for W, along growing radii: on a large ball the risk has edges."""
        v = torch.zeros_like(W[:, :1])
        features = self.in_v(W).features
        for share in _SHARES:
            ball = DecoderBall(features, share * self.r, self.psi, self.loss)
            v = minimise(ball, v, tol, _TURN)
        return v

    def in_W(self, v: Tensor) -> Ball:  # noqa: N802
        """The risk as a function of W, for this v."""
        return Ball(self.problem, self.r * v[:, 0], self.R, self.psi, self.loss)

    def in_v(self, W: Tensor) -> DecoderBall:
        """The risk as a function of v, for this W."""
        seen = (self.problem.attention(self.R * W)[..., None, :] @ self.problem.X)[..., 0, :]
        return DecoderBall(seen * self.problem.y[..., None], self.r, self.psi, self.loss)


def _race(turns: _Turns, starts: list[Tensor], tol: float) -> tuple[Tensor, Tensor]:
    """Let all starts take a few turns; return the leaders (N, d, d) and the spread of log risks.

    At last the leader is challenged by attention that was taught the best tokens for its v.
    """
    tol, N = max(tol, _ROUGH), len(starts[0])
    index = torch.arange(N, device=starts[0].device)
    field = turns.rows(index.repeat(len(starts)))
    runs = _Runs(*(x.view(-1, N, *x.shape[1:]) for x in field.take(torch.cat(starts), tol, _RACE)))
    taught_W = taught(turns.in_W(_best(turns, runs)[1]))
    challenger = turns.take(taught_W, tol, _RACE)
    runs = _Runs(*(torch.cat([a, b[None]]) for a, b in zip(runs, challenger, strict=True)))
    return _best(turns, runs)[0], runs.log_risk.amax(0) - runs.log_risk.amin(0)


def _best(turns: _Turns, runs: _Runs) -> tuple[Tensor, Tensor]:
    """Each problem's W and v of least risk, of runs along the first axis.

    An input with margin to spare hardly counts in the risk, and may hide in its rounding. Among
    runs that agree to rounding the log excess decides, in which nothing hides.
    """
    least = runs.log_risk.amin(0)
    points = (turns.in_W(v).at(W) for W, v in zip(runs.W, runs.v, strict=True))
    excess = torch.stack([point.value[:, 0, 0] for point in points])
    tied = runs.log_risk <= least + _TIE * (1 + least.abs())
    leader = torch.where(tied, excess, torch.inf).argmin(0)
    index = torch.arange(len(least), device=least.device)
    return runs.W[leader, index], runs.v[leader, index]

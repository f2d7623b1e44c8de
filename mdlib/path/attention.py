"""Regularization path of W: the best attention weights of each norm, along growing norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import one_axis
from mdlib.geometry.potentials import LpPotential
from mdlib.path.ball import Ball
from mdlib.path.frank_wolfe import FrankWolfe, Search, minimise
from mdlib.path.starts import check_effort, checked_radii, on_sphere, random_directions, taught

# Residual and steps to which all starts run; the leader goes on alone. On the paper's problems ten
# laps find the same leaders at a third of the work, a thousand cost half as much again.
_RACE, _LAPS = 1e-4, 100


@dataclass(frozen=True)
class AttentionPath:
    r"""The regularization path. The first axis R runs over the radii; all in float64.

    Attributes
    ----------
    radii : Tensor (R,)
    W : Tensor (R, ..., d, d)
        The best point found.
    risk : Tensor (R, ...)
    log_excess : Tensor (R, ...)
        `mdlib.log_excess_risk`: it tells points apart where their risks round to one number.
    residual : Tensor (R, ...)
        How far W is from stationary. On the sphere the relative Frank-Wolfe gap
        :math:`1 + \langle G, W\rangle / (R \|G\|_q) = D_\psi(W/R, S/R)`, between 0 and 2, with the
        risk's gradient G and its favourite point S of the ball; inside the ball, R times the dual
        norm of the gradient of ``log_excess`` where that is less.
    spread : Tensor (R, ...)
        The largest risk in which a start ended, less the smallest, all to a rough tolerance:
        clearly above 1e-5 there are local optima.
    attention : Tensor (R, ..., n, T)
    """

    radii: Tensor
    W: Tensor
    risk: Tensor
    log_excess: Tensor
    residual: Tensor
    spread: Tensor
    attention: Tensor


@torch.no_grad()
def attention_path(
    problem: AttentionProblem,
    v: Tensor,
    p: float,
    radii: Sequence[float] | Tensor,
    starts: int = 4,
    loss: str = "logistic",
    tol: float = 1e-8,
    steps: int = 1000,
    seed: int = 0,
    search: type[Search] = FrankWolfe,
) -> AttentionPath:
    r"""Follow the l_p-AttRP of the paper along growing radii, with the decoder v fixed.

    .. math:: W(R) = \arg\min_{\|W\|_p \le R} L(W, v)

    The risk is not convex in W, so each radius has several starts: the last radius's W, as it is or
    stretched to the new radius; the point of the ball that the gradient at 0 likes best; the end of
    a short mirror descent that teaches attention the optimal tokens; random directions. They run as
    one batch, until it is clear which leads; that one runs on to the tolerance. The last W is among
    them, so the risk never rises along the path. The least risk found is no proof of a global
    minimum: ``spread`` shows how much the starts disagreed.

    Parameters
    ----------
    problem : AttentionProblem
        One problem or a batch.
    v : Tensor (..., d)
        The decoder.
    p : float
        Exponent of `LpPotential`.
    radii : sequence of float (R,)
        Positive and increasing.
    starts : int
        Number of random directions.
    loss : {"logistic", "exponential", "linear"}
    tol : float
        Residual to stop at.
    steps : int
        Most steps a radius. What was reached then is in ``residual``; nothing is raised.
    seed : int
        Of the random directions, which are the same for all problems of a batch.
    search : class
        How a ball is searched: `mdlib.path.frank_wolfe.FrankWolfe`, or another with its methods.

    Returns
    -------
    AttentionPath

    Raises
    ------
    ValueError
        For bad radii, an unknown loss, a negative number of starts, a tolerance or number of steps
        that is not positive.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=4, T=5, d=6, seed=1)
    >>> path = attention_path(problem, v, p=1.5, radii=[1, 10, 100])
    >>> bool((path.residual < 1e-7).all()), bool((path.risk.diff() < 0).all())
    (True, True)
    >>> bool((path.attention[-1].argmax(-1) == problem.optimal_tokens(v)).all())
    True
    """
    check_effort(starts, tol, steps=steps)
    radii = checked_radii("radii", radii)
    psi = LpPotential(p)
    batch = torch.broadcast_shapes(problem.X.shape[:-3], v.shape[:-1])  # type: ignore[no-untyped-call]
    flat = problem.double().in_one_row(batch)
    decoders = one_axis(v.to(flat.X), batch, 1)
    W = torch.zeros_like(flat.X[:, 0].mT @ flat.X[:, 0])
    random = random_directions(psi, starts, seed, W)
    rows = []
    for R in radii.tolist():
        ball = Ball(flat, decoders, R, psi, loss)
        liked = psi.inverse(ball.at(torch.zeros_like(W)).pull)
        w, spread = _race(ball, [_warm(ball, W), liked, taught(ball), *random], tol, steps, search)
        point = ball.at(minimise(ball, w, tol, steps, search))
        W = R * point.w
        rows.append((W, point.value[:, 0, 0], point.residual, spread))
    columns = (torch.stack(column) for column in zip(*rows, strict=True))
    W, log_excess, residual, spread = (x.reshape(-1, *batch, *x.shape[2:]) for x in columns)
    exact = problem.double()
    attention = exact.attention(W)
    risk = exact.risk_of(attention, v, loss)
    return AttentionPath(radii, W, risk, log_excess, residual, spread, attention)


def _race(
    ball: Ball, starts: list[Tensor], tol: float, steps: int, search: type[Search]
) -> tuple[Tensor, Tensor]:
    """Let all starts run for a while; return the leaders (N, d, d) and the spread of the risks."""
    N = len(starts[0])
    index = torch.arange(N, device=starts[0].device)
    field = ball.rows(index.repeat(len(starts)))
    w = minimise(field, torch.cat(starts), max(tol, _RACE), min(steps, _LAPS), search)
    risk = field.problem.risk(ball.radius * w, field.v, ball.loss).view(-1, N)
    leader = field.at(w).value.view(-1, N).argmin(0)
    return w.view(-1, *starts[0].shape)[leader, index], risk.amax(0) - risk.amin(0)


def _warm(ball: Ball, W: Tensor) -> Tensor:
    """The last radius's W, as it is or stretched to the sphere, whichever has less risk."""
    stay = ball.at(W / ball.radius)
    stretched = ball.at(on_sphere(ball.psi, W))
    return torch.where(stay.value <= stretched.value, stay.w, stretched.w)

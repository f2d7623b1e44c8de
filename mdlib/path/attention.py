"""attention_path: the best attention weights of each norm, along growing norms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import one_axis
from mdlib.geometry.potentials import LpPotential
from mdlib.path.ball import Ball
from mdlib.path.routes import ROUTES, minimise

_MATRIX = (-2, -1)
_LESSONS = 20  # mirror steps of the start that is taught the optimal tokens
_RACE, _LAPS = 1e-4, 100  # residual and steps to which all starts run; the leader goes on alone


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
    method: str = "frank-wolfe",
    starts: int = 4,
    loss: str = "logistic",
    tol: float = 1e-8,
    steps: int = 1000,
    seed: int = 0,
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
    method : {"frank-wolfe", "mirror"}
        The route, see `mdlib.path.routes`. Mirror descent is slower, and the check of the other.
    starts : int
        Number of random directions.
    loss : {"logistic", "exponential", "linear"}
    tol : float
        Residual to stop at.
    steps : int
        Most steps a radius. What was reached then is in ``residual``; nothing is raised.
    seed : int
        Of the random directions, which are the same for all problems of a batch.

    Returns
    -------
    AttentionPath

    Raises
    ------
    ValueError
        For bad radii, an unknown method or loss, a negative number of starts, a tolerance or number
        of steps that is not positive.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=4, T=5, d=6, seed=1)
    >>> path = attention_path(problem, v, p=1.5, radii=[1, 10, 100])
    >>> bool((path.residual < 1e-7).all()), bool((path.risk.diff() < 0).all())
    (True, True)
    >>> bool((path.attention[-1].argmax(-1) == problem.optimal_tokens(v)).all())
    True
    """
    radii = _checked(radii, method, starts, tol, steps)
    psi = LpPotential(p)
    batch = torch.broadcast_shapes(problem.X.shape[:-3], v.shape[:-1])  # type: ignore[no-untyped-call]
    flat = in_one_row(problem, batch)
    decoders = one_axis(v.to(flat.X), batch, 1)
    W = torch.zeros_like(flat.X[:, 0].mT @ flat.X[:, 0])
    random = random_directions(psi, starts, seed, W)
    rows = []
    for R in radii.tolist():
        ball = Ball(flat, decoders, R, psi, loss)
        liked = psi.inverse(ball.at(torch.zeros_like(W)).pull)
        w, spread = _race(ball, [_warm(ball, W), liked, taught(ball), *random], method, tol, steps)
        point = ball.at(minimise(ball, w, method, tol, steps))
        W = R * point.w
        rows.append((W, point.value[:, 0, 0], point.residual, spread))
    columns = (torch.stack(column) for column in zip(*rows, strict=True))
    W, log_excess, residual, spread = (x.reshape(-1, *batch, *x.shape[2:]) for x in columns)
    exact = AttentionProblem(problem.X.double(), problem.y, problem.z, problem.mask)
    risk, attention = exact.risk(W, v, loss), exact.attention(W)
    return AttentionPath(radii, W, risk, log_excess, residual, spread, attention)


def _checked(
    radii: Sequence[float] | Tensor, method: str, starts: int, tol: float, steps: int
) -> Tensor:
    if method not in ROUTES:
        raise ValueError(f"method must be one of {', '.join(ROUTES)}; got {method!r}")
    check_effort(starts, tol, steps=steps)
    return growing("radii", radii)


def growing(name: str, radii: Sequence[float] | Tensor) -> Tensor:
    """Return radii as a tensor; ValueError if they are not positive and increasing."""
    radii = torch.as_tensor(radii, dtype=torch.float64)
    grow = radii.ndim == 1 and len(radii) > 0 and radii[0] > 0 and (radii.diff() > 0).all()
    if not (grow and radii.isfinite().all()):
        raise ValueError(f"{name} must be positive and increasing, got {radii.tolist()}")
    return radii


def check_effort(starts: int, tol: float, **most: int) -> None:
    """Raise ValueError for a number of starts, a tolerance or a most of something out of range."""
    if starts < 0:
        raise ValueError(f"starts must be at least 0, got {starts}")
    if not tol > 0:
        raise ValueError(f"tol must be positive, got {tol}")
    for name, count in most.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1, got {count}")


def in_one_row(problem: AttentionProblem, batch: torch.Size) -> AttentionProblem:
    """Return the problems along one axis of length N, in float64."""
    mask = None if problem.mask is None else one_axis(problem.mask, batch, 2)
    X, y, z = (
        one_axis(x, batch, axes)
        for x, axes in ((problem.X.double(), 3), (problem.y, 1), (problem.z, 2))
    )
    return AttentionProblem(X, y, z, mask)


def _race(
    ball: Ball, starts: list[Tensor], method: str, tol: float, steps: int
) -> tuple[Tensor, Tensor]:
    """Let all starts run for a while; return the leaders (N, d, d) and the spread of the risks."""
    N = len(starts[0])
    index = torch.arange(N, device=starts[0].device)
    field = ball.rows(index.repeat(len(starts)))
    w = minimise(field, torch.cat(starts), method, max(tol, _RACE), min(steps, _LAPS))
    risk = field.problem.risk(ball.radius * w, field.v, ball.loss).view(-1, N)
    leader = field.at(w).value.view(-1, N).argmin(0)
    return w.view(-1, *starts[0].shape)[leader, index], risk.amax(0) - risk.amin(0)


def _warm(ball: Ball, W: Tensor) -> Tensor:
    """The last radius's W, as it is or stretched to the sphere, whichever has less risk."""
    stay = ball.at(W / ball.radius)
    stretched = ball.at(_unit(ball.psi, W))
    return torch.where(stay.value <= stretched.value, stay.w, stretched.w)


def taught(ball: Ball) -> Tensor:
    """Projected mirror descent on the cross-entropy between attention and the optimal tokens.

    It is convex, so it comes near the attention that the risk wants at last, whatever the start.
    """
    problem, psi = ball.problem, ball.psi
    best = problem.optimal_tokens(ball.v)[..., None, None]
    wanted = problem.X.take_along_dim(best, -2)[..., 0, :]
    w = torch.zeros_like(wanted.mT @ problem.z)
    for k in range(_LESSONS):
        seen = problem.attention(ball.radius * w)[..., None, :] @ problem.X
        pull = (wanted - seen[..., 0, :]).mT @ problem.z
        size = psi.dual_norm(pull, dim=_MATRIX, keepdim=True)
        step = torch.where(size == 0, 0.0, pull / size) / (1 + k) ** 0.5
        w = psi.inverse(psi.mirror(w) + step)
        w = w / psi.norm(w, dim=_MATRIX, keepdim=True).clamp_min(1)
    return w


def random_directions(psi: LpPotential, starts: int, seed: int, like: Tensor) -> list[Tensor]:
    """Return points of the unit sphere (N, d, d), each the favourite of a random dual."""
    shape = starts, 1, *like.shape[1:]
    generator = torch.Generator().manual_seed(seed)
    duals = torch.randn(shape, generator=generator, dtype=like.dtype).to(like)
    return list(_unit(psi, psi.inverse(duals)).expand(starts, *like.shape))


def _unit(psi: LpPotential, w: Tensor) -> Tensor:
    norm = psi.norm(w, dim=_MATRIX, keepdim=True)
    return w / torch.where(norm == 0, 1.0, norm)

r"""The risk on an l_p ball, as a function whose values and slopes stay of order 1 on every radius.

On a large ball the risk rounds to its infimum. The logarithm of its excess over that infimum does
not: about linear in the radius, it has the same minimisers. `mdlib.path.frank_wolfe` descends it.
`Ball` is that function of W; `DecoderBall` of v, whose risk has the infimum 0.

Everything but `log_excess_risk` is float64 and in rows: N problems lie along one axis, and so do
the points w of the unit ball, W = R w.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mdlib.attention.gradient import RiskGradient
from mdlib.attention.losses import log_value, loss_named
from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import MATRIX
from mdlib.geometry.potentials import LpPotential

_INSIDE = 1e-9  # less than this inside the sphere is on it; no difference from 1e-10 to 1e-5
_LONG = 0.5  # up to here 8 nodes are exact to rounding, from here the difference of losses is
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)


def log_excess_risk(
    problem: AttentionProblem, W: Tensor, v: Tensor, loss: str = "logistic"
) -> Tensor:
    r"""Return log(L(W, v) - inf L), the infimum being full attention to the optimal tokens.

    Input i falls short of its best score by :math:`\delta_i = \sum_t s_{it} (\max_u \gamma_{iu} -
    \gamma_{it})`, a sum without a negative term whose logarithm is exact at any scale; the loss
    rises by :math:`\delta_i` times its mean slope on the way. So the value stays exact where the
    risk rounds to its infimum. It is -inf where all tokens of each input score alike.

    Arguments and errors are those of `AttentionProblem.risk`.

    Examples
    --------
    >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=1)
    >>> W = torch.eye(10)
    >>> full = 1e9 * torch.nn.functional.one_hot(problem.optimal_tokens(v), 8)
    >>> best = torch.nn.functional.softplus(-problem.scores(v).amax(-1)).mean()
    >>> torch.allclose(log_excess_risk(problem, W, v), (problem.risk(W, v) - best).log())
    True
    """
    scores = problem.scores(v)
    best = scores.amax(-1, keepdim=True)
    behind = torch.where(scores.isfinite(), best - scores, 0.0)
    log_short = (problem.logits(W).log_softmax(-1) + behind.log()).logsumexp(-1, keepdim=True)
    log_rise = log_short + _log_mean_slope(best, log_short.exp(), loss)
    return log_mean(log_rise[..., 0], dim=-1, keepdim=False)


def _log_mean_slope(best: Tensor, short: Tensor, loss: str) -> Tensor:
    """Logarithm of the loss's mean |slope| between the margins best - short and best.

    Over a short way by quadrature, exact to rounding there; over a long one from the difference of
    the losses, which no longer cancels.
    """
    ell = loss_named(loss)
    on_the_way = best - short * torch.as_tensor((1 + _NODES) / 2).to(best)
    logs = ell.log_slope(on_the_way) + torch.as_tensor(_WEIGHTS / 2).log().to(best)
    long = short > _LONG
    rise = torch.where(long, ell.value(best - short) - ell.value(best), 1.0)
    far = rise.log() - torch.where(long, short, 1.0).log()
    return torch.where(long, far, logs.logsumexp(-1, keepdim=True))


class Point(NamedTuple):
    """A point w of the unit ball, its dual y, and the objective there; scalars are (N, 1, 1).

    ``pull`` is minus the gradient over its dual norm, whose logarithm is ``log_slope``. ``push`` is
    the multiplier of the constraint in these units: w is stationary iff pull = push * y.
    """

    w: Tensor
    y: Tensor
    value: Tensor
    pull: Tensor
    log_slope: Tensor
    active: Tensor
    push: Tensor

    @property
    def residual(self) -> Tensor:
        """How far w is from stationary, (N,); see `mdlib.AttentionPath`."""
        gap = (1 - dot(self.pull, self.w)).abs()
        inside = torch.minimum(gap, self.log_slope.exp())
        return torch.where(self.active, gap, inside)[:, 0, 0]


class Ball:
    """The log excess risk of N problems in one row, on the unit l_p ball: W = radius * w.

    Parameters
    ----------
    problem : AttentionProblem
        One leading axis, of length N.
    v : Tensor (N, d)
    radius : float
    psi : LpPotential
        Of the ball.
    loss : {"logistic", "exponential", "linear"}
    """

    def __init__(
        self, problem: AttentionProblem, v: Tensor, radius: float, psi: LpPotential, loss: str
    ) -> None:
        self.problem, self.v, self.radius, self.psi, self.loss = problem, v, radius, psi, loss
        self._gradient = RiskGradient(problem, v, loss)

    def rows(self, keep: Tensor) -> Ball:
        """Return the ball of the problems that an index (M,) or a boolean mask (N,) chooses."""
        return Ball(self.problem[keep], self.v[keep], self.radius, self.psi, self.loss)

    def at(self, w: Tensor) -> Point:
        """Project w (N, d, d) onto the ball and evaluate the objective there."""
        norm = self.psi.norm(w, dim=MATRIX, keepdim=True)
        w = w / norm.clamp_min(1)
        value, G, log_scale = self._objective(self.radius * w)
        size = self.psi.dual_norm(G, dim=MATRIX, keepdim=True)
        flat = size == 0
        pull = -G / torch.where(flat, 1.0, size)
        log_slope = math.log(self.radius) + log_scale + size.log() - value
        active = (norm > 1 - _INSIDE) & ~flat
        push = torch.where(active, dot(pull, w).clamp_min(0), 0.0)
        log_slope = torch.where(flat, -torch.inf, log_slope)
        return Point(w, self.psi.mirror(w), value, pull, log_slope, active, push)

    def _objective(self, W: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The log of the objective (N, 1, 1), and G and c of its gradient exp(c) G."""
        value = log_excess_risk(self.problem, W, self.v, self.loss)[:, None, None]
        return value, *self._gradient(W)


class DecoderBall(Ball):
    """The log risk as a function of v, for attention that stands: v = radius * w, w (N, 1, d).

    ``features`` (N, n, d) are the labels times what attention reads, y_i X_i' s_i.
    """

    def __init__(self, features: Tensor, radius: float, psi: LpPotential, loss: str) -> None:
        self.features, self.radius, self.psi, self.loss = features, radius, psi, loss

    def rows(self, keep: Tensor) -> DecoderBall:
        """Return the ball of the problems that an index (M,) or a boolean mask (N,) chooses."""
        return DecoderBall(self.features[keep], self.radius, self.psi, self.loss)

    def _objective(self, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        margins = self.features @ v.mT
        log_slope = loss_named(self.loss).log_slope(margins)
        log_scale = log_slope.amax(-2, keepdim=True)
        G = -(self.features * (log_slope - log_scale).exp()).mean(-2, keepdim=True)
        return log_mean(log_value(self.loss, margins), dim=-2), G, log_scale


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Return the inner products of matrices, (N, 1, 1)."""
    return (a * b).sum(MATRIX, keepdim=True)


def log_mean(logs: Tensor, dim: int, keepdim: bool = True) -> Tensor:
    """Return the logarithm of the mean of numbers given by their logarithms."""
    return logs.logsumexp(dim, keepdim) - math.log(logs.shape[dim])

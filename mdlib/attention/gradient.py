"""RiskGradient: the gradient of the risk in W and v, exact however far softmax saturates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from mdlib.attention.losses import loss_named
from mdlib.attention.shapes import one_axis


class Scored(Protocol):
    """What the gradient asks of a problem; `mdlib.AttentionProblem` stands on this file."""

    X: Tensor
    y: Tensor
    z: Tensor
    mask: Tensor | None

    def scores(self, v: Tensor) -> Tensor:
        """Return y_i v.X_it for every token, (..., n, T)."""


class RiskGradient:
    r"""The gradient of the risk in W for a fixed decoder, or in both, at one point after another.

    What does not change is worked out once and laid out for the loop of a descent, which asks
    thousands of times; `AttentionProblem.scaled_gradient` asks once and states the formula. All
    leading axes are one axis of B problems here.

    Parameters
    ----------
    problem : AttentionProblem
    v : Tensor (..., d)
    loss : {"logistic", "exponential", "linear"}
    batch : shape
        The leading axes of the weights to come.

    Attributes
    ----------
    batch : torch.Size
        The leading axes of problem, v and W, broadcast; B is their product.

    Examples
    --------
    >>> from mdlib import AttentionProblem
    >>> problem, v = AttentionProblem.random(n=6, T=8, d=10, seed=range(1, 4))
    >>> gradient = RiskGradient(problem, v)
    >>> W = gradient.flat(torch.zeros(10, 10, dtype=torch.float64))
    >>> G, log_scale = gradient(W)
    >>> G.shape, log_scale.shape
    (torch.Size([3, 10, 10]), torch.Size([3, 1, 1]))
    >>> torch.allclose(G * log_scale.exp(), problem.gradient(W, v))
    True
    """

    def __init__(
        self,
        problem: Scored,
        v: Tensor,
        loss: str = "logistic",
        batch: Sequence[int] = (),
    ) -> None:
        self._log_slope = loss_named(loss).log_slope
        self._lowest = torch.finfo(problem.X.dtype).min
        values = problem.scores(v)
        if problem.mask is not None:
            values = values.masked_fill(~problem.mask, 0.0)  # what it is worth, its logit decides
        self.batch = torch.broadcast_shapes(values.shape[:-2], batch)  # type: ignore[no-untyped-call]
        self._values = self.flat(values)
        self._mask = None if problem.mask is None else self.flat(problem.mask)
        self._y = self.flat(problem.y, axes=1)[..., None]
        self._z = self.flat(problem.z)
        self._minus_z = self._z / -self._z.shape[1]  # the mean over inputs; a loss slopes down
        self._X = self.flat(problem.X, axes=3).flatten(0, 1)
        self._XT = self._X.mT.contiguous()  # a product along the rows takes half the time

    def flat(self, tensor: Tensor, axes: int = 2) -> Tensor:
        """Broadcast all but the last axes of a tensor to `batch`, and join them into one."""
        return one_axis(tensor, self.batch, axes)

    def __call__(self, W: Tensor) -> tuple[Tensor, Tensor]:
        """Return G (B, d, d) and c (B, 1, 1) for W (B, d, d), the gradient being exp(c) G.

        Where each input's tokens all score alike, G is 0 and c the lowest number there is.
        """
        pull, log_size, _, _ = self._terms(W, self._values)
        return self._in_weights(pull, log_size)

    def joint(self, W: Tensor, v: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        r"""Return the gradients in W and in v, at the point (W, v).

        Parameters
        ----------
        W : Tensor (B, d, d)
        v : Tensor (B, 1, d)

        Returns
        -------
        in_W : pair of G (B, d, d) and c (B, 1, 1)
        in_v : pair of G (B, 1, d) and c (B, 1, 1)
            Each gradient is exp(c) G.

        Notes
        -----
        In v the gradient is :math:`\frac1n \sum_i \ell'(m_i)\, y_i X_i^\top s_i`. Nothing cancels
        in it, but its terms leave the range of the dtype as the margins grow.
        """
        decoders = v.expand(-1, self._y.shape[1], -1).reshape(-1, v.shape[-1], 1)
        values = torch.bmm(self._X, decoders).view_as(self._values) * self._y
        pull, log_size, log_slope, attention = self._terms(W, values)
        log_scale = log_slope.amax(-2, keepdim=True)
        size = self._y * (log_slope - log_scale).exp()
        in_v = (self._mix(attention) * size).mean(-2, keepdim=True).neg()
        return self._in_weights(pull, log_size), (in_v, log_scale)

    def _terms(self, W: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Each token's pull (B, n, T), its log size and the loss's log slope, and the attention."""
        logits = self._logits(W)
        best, top = logits.max(-1, keepdim=True)
        below = logits - best
        odds = below.exp()  # softmax, but for its denominator
        total = odds.sum(-1, keepdim=True)
        top_value = values.gather(-1, top)
        lead = values - top_value
        # s_t (gamma_t - m) = s_t lead_t - s_t sum_u s_u lead_u: nothing cancels here. The top token
        # leads itself by 0, as does one that ties with it: the others set the scale.
        log_pull = lead.abs().log() + below
        nearest = log_pull.amax(-1, keepdim=True).clamp(min=self._lowest)  # -inf: all scores equal
        pull = (log_pull - nearest).exp().copysign(lead)
        mean_pull = pull.sum(-1, keepdim=True) / total
        log_slope = self._log_slope(torch.addcmul(top_value, nearest.exp(), mean_pull))
        pull = torch.addcmul(pull, odds, mean_pull, value=-1)
        return pull, nearest + log_slope - total.log(), log_slope, odds / total

    def _logits(self, W: Tensor) -> Tensor:
        queries = torch.bmm(self._z, W.mT).view(-1, W.shape[-1], 1)
        logits = torch.bmm(self._X, queries).view_as(self._values)
        return logits if self._mask is None else logits.where(self._mask, -torch.inf)

    def _in_weights(self, pull: Tensor, log_size: Tensor) -> tuple[Tensor, Tensor]:
        """-1/n sum_i size_i (sum_t pull_it X_it) z_i^T, the largest size taken out."""
        log_scale = log_size.amax(-2, keepdim=True)
        tokens = self._mix(pull) * (log_size - log_scale).exp()
        return torch.bmm(tokens.mT, self._minus_z), log_scale

    def _mix(self, weight: Tensor) -> Tensor:
        """sum_t weight_it X_it for each input, (B, n, d)."""
        return torch.bmm(self._XT, weight.reshape(-1, weight.shape[-1], 1)).view_as(self._z)

"""margin_shrinkage: whether a leak of attention costs label margin, as the joint theorem asks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mdlib.attention import AttentionProblem
from mdlib.svm import classifier_svm, label_margin

LEAKS = (0.1, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Shrinkage:
    r"""By how much the condition of the joint theorem holds for one problem, or fails.

    Attributes
    ----------
    rate : float
        The least cost found of a leak, :math:`(\Gamma - \gamma(s)) / \max_i (1 - s_{i\alpha_i})`,
        in units of the label margin :math:`\Gamma` of full selection. The condition holds where it
        is positive.
    leak : float
        How much attention leaked at the worst; 0 stands for the limit of small leaks.
    tokens : int64 Tensor (n,)
        Where it leaked to; the chosen token for inputs that did not leak.
    margin : float
        The label margin Gamma of full selection, for v of norm 1.
    complete : bool
        Whether all selections were tried. If not, ``rate`` is only an upper bound.
    """

    rate: float
    leak: float
    tokens: Tensor
    margin: float
    complete: bool

    @property
    def holds(self) -> bool:
        """Whether no leak that was tried keeps the label margin."""
        return self.rate > 0


def margin_shrinkage(
    problem: AttentionProblem, tokens: Tensor, p: float, limit: int = 20_000, seed: int = 0
) -> Shrinkage:
    r"""Test the condition of the paper's joint theorem on one problem.

    With attention s, the best decoder of norm 1 reaches the label margin :math:`\gamma(s) =
    \max_{\|v\|_p \le 1} \min_i y_i v^\top X_i^\top s_i`. The condition asks that full selection of
    alpha maximises it and that there is a nu > 0 with

    .. math:: \gamma(s) \le \Gamma - \nu \max_i (1 - s_{i\alpha_i}) \quad\text{for all } s .

    For a given v the margin of an input is linear in its leak. So at a largest leak q the best s
    has in each input either no leak or a leak of q to a single token: T^n selections, for each of
    which the l_p-SVM gives gamma. They are tried at the leaks `LEAKS`, and for small leaks the
    slope of gamma is read off the multipliers of v. Inputs that are not support vectors of the
    l_p-SVM can leak for free; as in the paper's general case, they are left out.

    Parameters
    ----------
    problem : AttentionProblem
        A single problem, without a batch.
    tokens : integer Tensor (n,)
        The selection alpha.
    p : float
    limit : int
        The most selections to try; if there are more, that many are drawn at random, and ``rate``
        is only an upper bound.
    seed : int
        Of that draw.

    Returns
    -------
    Shrinkage

    Raises
    ------
    InfeasibleError
        If no decoder separates the labels of the chosen tokens.
    ValueError
        If the problem is a batch, or limit is below 1.

    Examples
    --------
    >>> problem, tokens = AttentionProblem.planted(n=3, T=3, d=4, p=2, seed=1)
    >>> found = margin_shrinkage(problem, tokens, p=2)
    >>> found.holds, found.complete
    (True, True)
    >>> problem, tokens = AttentionProblem.planted(n=3, T=3, d=4, p=2, seed=1, rival=1.5)
    >>> margin_shrinkage(problem, tokens, p=2).holds
    False
    """
    if problem.X.ndim != 3:
        raise ValueError(f"margin_shrinkage takes one problem at a time, got {problem}")
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    X, y = problem.X.double(), problem.y.double()
    n = len(y)
    chosen = X[torch.arange(n), tokens]
    full = classifier_svm(chosen, y, p)
    held = full.support.nonzero()[:, 0]
    margin = 1 / full.norm.item()
    worst, leak, where = _small_leaks(problem, tokens, full.v, full.multipliers, held)
    selections, complete = _selections(problem, tokens, held, limit, seed)
    for q in LEAKS:
        leaked = X[held, selections]  # (S, support vectors, d)
        rest = chosen.expand(len(leaked), n, -1).clone()
        rest[:, held] = (1 - q) * rest[:, held] + q * leaked
        cost = (1 - label_margin(rest, y.expand(len(rest), n), p) / margin) / q
        k = int(cost.argmin())
        if cost[k] < worst:
            worst, leak, where = cost[k].item(), q, tokens.clone()
            where[held] = selections[k]
    return Shrinkage(worst, leak, where, margin, complete)


def _small_leaks(
    problem: AttentionProblem, tokens: Tensor, v: Tensor, multipliers: Tensor, held: Tensor
) -> tuple[float, float, Tensor]:
    """The slope of the label margin in the cheapest leak: the multiplier's share times the loss."""
    scores = problem.scores(v.to(problem.X)).double()
    lost = scores.gather(-1, tokens[:, None]) - scores  # in units of the label margin
    cost = (multipliers / multipliers.sum())[:, None] * lost
    cost = cost.scatter(-1, tokens[:, None], torch.inf)[held]
    i, t = divmod(int(cost.argmin()), cost.shape[-1])
    where = tokens.clone()
    where[held[i]] = t
    return cost[i, t].item(), 0.0, where


def _selections(
    problem: AttentionProblem, tokens: Tensor, held: Tensor, limit: int, seed: int
) -> tuple[Tensor, bool]:
    """All other selections for the support vectors (S, len(held)), or a random lot of them."""
    real = torch.ones_like(problem.X[..., 0]) if problem.mask is None else problem.mask
    options = [real[i].nonzero()[:, 0] for i in held.tolist()]
    complete = math.prod(map(len, options)) <= limit + 1
    if complete:
        every = torch.cartesian_prod(*options).view(-1, len(held))
    else:
        generator = torch.Generator().manual_seed(seed)
        draws = (torch.randint(len(o), (limit,), generator=generator) for o in options)
        every = torch.stack([o[k] for o, k in zip(options, draws, strict=True)], dim=-1)
    return every[(every != tokens[held]).any(-1)], complete

"""margin_shrinkage: whether a leak of attention costs label margin, as the joint theorem asks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.svm.solve import classifier_svm, label_margin

LEAKS = (0.001, 0.1, 0.25, 0.5, 0.75, 1.0)
_ERROR = 2e-5  # of a rate: what the two margins are off by, over the leak


@dataclass(frozen=True)
class Shrinkage:
    r"""By how much the condition of the joint theorem holds for one problem, or fails.

    Attributes
    ----------
    rate : float
        The least cost found of a leak, :math:`(\Gamma - \gamma(s)) / \max_i (1 - s_{i\alpha_i})`
        over the support vectors i, in units of the label margin :math:`\Gamma` of full selection.
        The condition holds where it is positive. inf if there is nothing to leak to.
    leak : float
        How much attention leaked at the worst.
    tokens : int64 Tensor (n,)
        Where it leaked to; the chosen token for inputs that did not leak.
    margin : float
        The label margin Gamma of full selection, for v of norm 1.
    complete : bool
        Whether all selections were tried. If not, the condition may fail though it seems to hold.
    """

    rate: float
    leak: float
    tokens: Tensor
    margin: float
    complete: bool

    @property
    def holds(self) -> bool:
        """Whether no leak that was tried keeps the label margin."""
        return self.rate > _ERROR


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
    which the l_p-SVM gives gamma. They are tried at the leaks `LEAKS`, the least of which stands
    for all small ones. Whether the condition holds is decided at q = 1: where a decoder keeps the
    margin in spite of a leak, an input with no more than Gamma at alpha may as well leak fully, and
    the others need not leak.

    Inputs that are not support vectors of the l_p-SVM leak for free: as in the paper's general
    case, their leak does not count, and gamma takes of them the token that is best for it.

    Parameters
    ----------
    problem : AttentionProblem
        A single problem, without a batch.
    tokens : integer Tensor (n,)
        The selection alpha.
    p : float
    limit : int
        The most selections to try; if there are more, that many are drawn at random, besides those
        that change the token of one input.
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
        If the problem is a batch, limit is below 1, or a token is out of range or padding.

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
    problem = problem.double()
    X, y, n = problem.X, problem.y, len(problem.y)
    tokens = problem.checked_tokens(tokens)
    rows = torch.arange(n, device=X.device)
    alpha = X[rows, tokens]
    full = classifier_svm(alpha, y, p)
    margin = 1 / full.norm.item()
    selections, complete = _selections(problem, tokens, limit, seed)
    selections = selections[((selections != tokens) & full.support).any(-1)]
    worst, leak, where = math.inf, 0.0, tokens
    for q in LEAKS if len(selections) else ():
        share = torch.where(full.support, q, 1.0)[:, None]
        seen = (1 - share) * alpha + share * X[rows, selections]  # (S, n, d)
        reached = label_margin(seen, y.expand(len(seen), n), p, tol=_ERROR / 2 * q)
        cost = (1 - reached / margin) / q
        k = int(cost.argmin())
        if cost[k] < worst:
            worst, leak, where = cost[k].item(), q, selections[k]
    return Shrinkage(worst, leak, where, margin, complete)


def _selections(
    problem: AttentionProblem, tokens: Tensor, limit: int, seed: int
) -> tuple[Tensor, bool]:
    """All selections (S, n) and True, or those next to alpha with a random lot, and False."""
    real = torch.ones_like(problem.X[..., 0]) if problem.mask is None else problem.mask
    options = [row.nonzero()[:, 0] for row in real]
    if math.prod(map(len, options)) <= limit + 1:
        return torch.cartesian_prod(*options).view(-1, len(options)), True
    generator = torch.Generator("cpu").manual_seed(seed)
    draws = [o[torch.randint(len(o), (limit,), generator=generator, device="cpu")] for o in options]
    lots = [torch.stack(draws, dim=-1)]
    for i, o in enumerate(options):
        lots.append(tokens.repeat(len(o), 1))
        lots[-1][:, i] = o
    return torch.cat(lots), False

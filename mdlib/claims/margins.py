"""Chapters 5 and 6: the l_p-AttSVM proves itself, and the regularization path goes to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from mdlib.attention import MATRIX, AttentionProblem
from mdlib.claims.form import Measured
from mdlib.claims.ledger import claim
from mdlib.claims.runs import Svm, problems
from mdlib.geometry.potentials import LpPotential, directional_divergence
from mdlib.path.attention import attention_path
from mdlib.path.ball import log_excess_risk
from mdlib.svm import attention_svm


@claim(
    key="svm-duality",
    chapter=5,
    place="l_p-AttSVM",
    statement="W_mm meets every margin, and its multipliers prove that no smaller W does",
    quick={"seeds": range(1, 21)},
    paper={"seeds": range(1, 101)},
)
def svm_duality(seeds: range, svm: Svm = attention_svm) -> Iterator[Measured]:
    """The gap between ||W||_p and the dual's bound, recomputed here from W and lambda.

    Weak duality: no W with all margins has a norm below sum(lambda) / ||A' lambda||_q. W is scaled
    to margin 1 first, so a gap of 1e-8 means: within 1e-8 of the best norm. The bound is what
    `attention_svm` promises.
    """
    problem, v = problems(seeds)
    tokens = problem.optimal_tokens(v)
    for p in (1.1, 1.5, 1.75, 2, 3, 4, 8):
        solution = svm(problem, tokens, p)
        psi = LpPotential(p)
        smallest = problem.margins(solution.W, tokens).amin(MATRIX)
        reached = psi.norm(solution.W, dim=MATRIX) / smallest.clamp_min(0)
        pull = _pull(problem, tokens, solution.multipliers)
        bound = solution.multipliers.sum(MATRIX) / psi.dual_norm(pull, dim=MATRIX)
        gap = ((reached - bound) / reached).nan_to_num(torch.inf).abs().max()
        yield Measured(f"p = {p}, gap", gap.item(), "<=", 1e-8, seeds, resolution=1e-9)


def _pull(problem: AttentionProblem, tokens: Tensor, multipliers: Tensor) -> Tensor:
    """A' lambda = sum_i (sum_t lambda_it (X_i,alpha - X_it)) z_i^T."""
    lead = problem.X.take_along_dim(tokens[..., None, None], -2) - problem.X
    return (multipliers[..., None] * lead).sum(-2).mT @ problem.z


@claim(
    key="svm-solvers",
    chapter=5,
    place="l_p-AttSVM",
    statement="The dual solver and the textbook model in cvxpy find the same W_mm",
    quick={"seeds": range(1, 3)},
    paper={"seeds": range(1, 21)},
)
def svm_solvers(seeds: range, svm: Svm = attention_svm) -> Iterator[Measured]:
    """The larger of the relative difference in norm and the directional divergence.

    The bound is what cvxpy's solver reaches with its own settings; below it the digits are its.
    """
    problem, v = problems(seeds)
    tokens = problem.optimal_tokens(v)
    for p in (1.5, 2, 3):
        ours, theirs = svm(problem, tokens, p), attention_svm(problem, tokens, p, solver="cvxpy")
        norms = (ours.norm / theirs.norm - 1).abs().max()
        apart = directional_divergence(ours.W, theirs.W, p).max()
        worst = torch.maximum(norms, apart).item()
        yield Measured(f"p = {p}, difference", worst, "<=", 1e-6, seeds, resolution=1e-6)


@claim(
    key="path",
    chapter=6,
    place="l_p-AttRP, regularization path",
    statement="The regularization path W(R)/R goes to the direction of W_mm(opt)",
    quick={"seeds": range(1, 11)},
    paper={"seeds": range(1, 101)},
)
def path(
    seeds: range,
    exponents: Sequence[float] = (1.5, 2, 3),
    follow: Callable[..., Any] = attention_path,
    svm: Svm = attention_svm,
) -> Iterator[Measured]:
    """Worst over the seeds: divergence at R = 1,000, and what a tenfold radius divides it by.

    The theorem is a limit. A margin of R/||W_mm|| leaves a relative freedom of order 1/R to the
    direction, so its square to the divergence: a tenfold radius should divide it by about 100, and
    by 10 at least. The last row asks whether W(R) is a minimiser at all: its risk must not
    exceed that of W_mm stretched to the same norm (log of the excess risk, at every radius).
    """
    problem, v = problems(seeds)
    radii = [10.0, 100.0, 1000.0]
    for p in exponents:
        found = follow(problem, v, p, radii)
        goal = svm(problem, problem.optimal_tokens(v), p).W
        far = directional_divergence(found.W, goal, p)
        yield Measured(f"p = {p}, divergence at R = 1,000", far[-1].max().item(), "<=", 1e-3, seeds)
        shrinks = (far[:-1] / far[1:]).min().item()
        yield Measured(f"p = {p}, a tenfold R divides it by", shrinks, ">=", 10, seeds)
        along = goal / LpPotential(p).norm(goal, dim=MATRIX, keepdim=True)
        rivals = [log_excess_risk(problem, R * along, v) for R in radii]
        ahead = (torch.stack(rivals) - log_excess_risk(problem, found.W, v)).min().item()
        yield Measured(f"p = {p}, log risk below W_mm's", ahead, ">=", 0, seeds)

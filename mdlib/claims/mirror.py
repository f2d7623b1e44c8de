"""Chapters 2 and 3: the update, and where it goes on separable linear data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from mdlib.claims.form import Measured
from mdlib.claims.ledger import claim
from mdlib.claims.runs import growing
from mdlib.geometry.potentials import LpPotential, directional_divergence
from mdlib.optim.mirror_descent import MirrorDescent
from mdlib.svm import classifier_svm

Potentials = Callable[[float], Any]


@claim(
    key="mirror-step",
    chapter=2,
    place="l_p-AttGD, the update",
    statement="A step of MirrorDescent moves the dual by minus eta times the gradient",
    quick={"seeds": range(1, 21)},
    paper={"seeds": range(1, 101)},
)
def mirror_step(seeds: range, optimizer: Any = MirrorDescent) -> Iterator[Measured]:
    """The largest error of mirror(W_new) = mirror(W) - eta G, relative to the largest entry.

    W and G are N(0, 1); the bound is rounding in float64, with room for the powers.
    """
    for p in (1.1, 1.75, 2, 3):
        errors = []
        for seed in seeds:
            W, G = torch.randn(2, 10, 10, generator=_dice(seed), dtype=torch.float64)
            param = torch.nn.Parameter(W.clone())
            param.grad = G
            optimizer([param], lr=0.1, potential=LpPotential(p)).step()
            dual = W.sign() * W.abs() ** (p - 1) - 0.1 * G  # from the paper, not from the library
            moved = param.detach().sign() * param.detach().abs() ** (p - 1)
            errors.append((moved - dual).abs().max() / dual.abs().max())
        worst = torch.stack(errors).max().item()
        yield Measured(f"p = {p}, error", worst, "<=", 1e-12, seeds, resolution=1e-13)


@claim(
    key="classifier",
    chapter=3,
    place="l_p-SVM; Sun et al. 2022",
    statement="On separable linear data l_p mirror descent goes to the l_p max-margin direction",
    quick={"seeds": range(1, 101)},
    paper={"seeds": range(1, 101)},
)
def classifier(
    seeds: range,
    steps: int = 2000,
    potential: Potentials = LpPotential,
    svm: Callable[..., Any] = classifier_svm,
) -> Iterator[Measured]:
    """Directional divergence of w to v_mm, and that the other p are further away.

    20 points in 50 dimensions with random labels; normalised steps from zero. The theorem is a
    limit, so the bound on the median is a choice: a hundredth of what lies between two p. The last
    row compares, for each p that judges, how far the runs of the other p are with how far its own
    is; the smallest of these ratios of medians must exceed 1.
    """
    rulers = (1.1, 1.5, 2, 3)
    points = torch.stack([_separable(seed) for seed in seeds])
    goals = {p: svm(points, torch.ones(points.shape[:-1]), p).v for p in rulers}
    runs = {p: classifier_descent(points, potential(p), growing(p), steps) for p in rulers}
    far = {
        (p, judge): directional_divergence(runs[p], goals[judge], judge, dim=-1).median().item()
        for p in rulers
        for judge in rulers
    }
    for p in rulers:
        yield Measured(f"p = {p}, median", far[p, p], "<=", 1e-3, seeds)
    ratio = min(far[p, judge] / far[judge, judge] for p, judge in far if p != judge)
    yield Measured("other p, how many times as far", ratio, ">=", 1, seeds)


def classifier_descent(points: Tensor, psi: Any, lr: Callable[[int], float], steps: int) -> Tensor:
    """Normalised mirror descent on the logistic loss of points (B, n, d), labels multiplied in."""
    dual = torch.zeros_like(points[:, 0])
    for k in range(1, steps + 1):
        margins = (points @ psi.inverse(dual)[..., None])[..., 0]
        log_slope = logsigmoid(-margins)
        push = (log_slope - log_slope.amax(-1, keepdim=True)).exp()  # only ratios matter
        G = -(push[:, None] @ points)[:, 0]
        dual = dual - lr(k) * G / psi.dual_norm(G, dim=-1, keepdim=True)
    w: Tensor = psi.inverse(dual)
    return w


def _separable(seed: int) -> Tensor:
    draw = torch.randn(20, 51, generator=_dice(seed), dtype=torch.float64)
    return draw[:, 50:].sign() * draw[:, :50]


def _dice(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)

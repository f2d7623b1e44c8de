"""Chapter 9: descent keeps to the cone of a locally optimal selection, global or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from mdlib.attention import MATRIX, AttentionProblem
from mdlib.claims.form import Measured
from mdlib.claims.ledger import claim
from mdlib.claims.runs import Descent, Svm, goals, long_run, problems, selection, starts
from mdlib.descent.descent import attention_descent
from mdlib.geometry.potentials import LpPotential, directional_divergence
from mdlib.svm import attention_svm


@claim(
    key="local-selection",
    chapter=9,
    place="local optimality",
    statement="Descent ends in a locally optimal selection, often not in the global one",
    quick={"seeds": range(1, 21), "steps": 3000},
    paper={"seeds": range(1, 101), "steps": 10_000},
)
def local_selection(
    seeds: range, steps: int, exponents: Sequence[float] = (1.75, 2, 3),
    descent: Descent = attention_descent, svm: Svm = attention_svm,
) -> Iterator[Measured]:  # fmt: skip
    """From W_0 ~ N(0, 1): shares of the seeds, and the median divergence of those not global.

    The search for a non-global local optimum is the descent itself. The paper proves that locally
    optimal selections attract, not that nothing else does; and a run takes thousands of steps to
    leave a selection that it has nearly saturated. So the bound lets one in ten be on its way. At
    least one seed must end elsewhere than in the best tokens, or nothing has been tested, and its
    W goes to W_mm of what it selects.
    """
    problem, v = problems(seeds)
    for p in exponents:
        run = long_run(descent, p, seeds, (steps,))
        tokens = run.selected
        local = _room(problem, v, tokens[:, None], p, svm)[0].double().mean().item()
        yield Measured(f"p = {p}, share locally optimal", local, ">=", 0.9, seeds)
        other = (tokens != problem.optimal_tokens(v)).any(-1)
        share = other.double().mean().item()
        yield Measured(f"p = {p}, share not global", share, ">=", 1 / len(seeds), seeds)
        far = directional_divergence(run.W[-1], goals(svm, p, seeds, selection(run)), p)
        yield Measured(
            f"p = {p}, their median divergence", far[other].median().item(), "<=", 0.005, seeds
        )


@claim(
    key="cone",
    chapter=9,
    place="norm growth and directional convergence, from a cone",
    statement="Started near W_mm of a locally optimal selection, descent keeps it and goes to W_mm",
    quick={"seeds": range(1, 21), "steps": 1500},
    paper={"seeds": range(1, 101), "steps": 5000},
)
def cone(
    seeds: range, steps: int, exponents: Sequence[float] = (1.75, 2, 3),
    descent: Descent = attention_descent, svm: Svm = attention_svm,
) -> Iterator[Measured]:  # fmt: skip
    """From around a non-global local optimum found by search, and from around what is none.

    The search runs over all selections that differ from the best one in one token, and takes for
    each seed the locally optimal one with the most room: the margin, beyond 1, of the nearest token
    with a better score. The theorem wants a narrow cone and a large norm, and names neither. A
    token with margin 1 + room pulls by exp(-room * scale) of what the support tokens do; so room of
    a tenth at least, a scale of 100 and noise of a twentieth of the norm. Every such run must keep
    its selection and come nearer. A run that starts in the same way around a selection that is not
    locally optimal must leave it.
    """
    problem, v = problems(seeds)
    swaps = one_token_swaps(problem, v)
    for p in exponents:
        local, room = _room(problem, v, swaps, p, svm)
        tokens = swaps.take_along_dim(room.argmax(-1)[:, None, None], 1)[:, 0]
        wide = room.amax(-1) >= 0.1
        kept, nearer = _start_around(problem, v, tokens, p, steps, starts(seeds), descent, svm)
        share = kept[wide].double().mean().item()
        yield Measured(f"p = {p}, share kept", share, ">=", 1, seeds)
        worst = nearer[wide].max().item()
        yield Measured(f"p = {p}, divergence, end over start", worst, "<=", 0.5, seeds, 0.1)
        tokens = swaps.take_along_dim(local.long().argmin(-1)[:, None, None], 1)[:, 0]
        kept, _ = _start_around(problem, v, tokens, p, steps, starts(seeds), descent, svm)
        share = kept.double().mean().item()
        yield Measured(f"p = {p}, not locally optimal, kept", share, "<=", 0, seeds)


def one_token_swaps(problem: AttentionProblem, v: Tensor) -> Tensor:
    """All selections that differ from the optimal one in one token, (..., n(T-1), n)."""
    best = problem.optimal_tokens(v)
    n, T = problem.X.shape[-3:-1]
    shift = torch.eye(n, dtype=torch.long).repeat_interleave(T - 1, 0)
    return (best[..., None, :] + shift * torch.arange(1, T).repeat(n)[:, None]) % T


def _room(
    problem: AttentionProblem, v: Tensor, swaps: Tensor, p: float, svm: Svm
) -> tuple[Tensor, Tensor]:
    """Which swaps are locally optimal, and how far beyond margin 1 their better tokens are."""
    many = AttentionProblem(*(x[:, None] for x in (problem.X, problem.y, problem.z)))
    solution = svm(many, swaps, p)
    scores = many.scores(v[:, None])
    better = scores > scores.take_along_dim(swaps[..., None], -1)
    local = ~(solution.support & better).flatten(-2).any(-1)
    room = torch.where(better, solution.margins - 1, torch.inf).flatten(-2).amin(-1)
    return local, room.where(local, 0.0)


def _start_around(
    problem: AttentionProblem, v: Tensor, tokens: Tensor, p: float, steps: int,
    noise: Tensor, descent: Descent, svm: Svm,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Run from near W_mm(tokens): is the selection kept, and the divergence, end over start."""
    psi, goal = LpPotential(p), svm(problem, tokens, p).W
    size = psi.norm(goal, dim=MATRIX, keepdim=True)
    noise = noise / psi.norm(noise, dim=MATRIX, keepdim=True)
    W0 = 100 * (goal + 0.05 * size * noise)
    lr = 0.02 * (100 * size.median().item()) ** (p - 1)  # a fiftieth of the dual a step
    run = descent(problem, v, p, steps, lr, W0=W0, record=(0, steps))
    far = directional_divergence(run.W, goal, p)
    return (run.selected == tokens).all(-1), far[1] / far[0]

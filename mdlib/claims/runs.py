"""Problems, starts and runs of the paper that several claims share, kept for the process."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from mdlib.attention.problem import AttentionProblem
from mdlib.descent.trajectory import JointTrajectory, Trajectory
from mdlib.geometry.potentials import directional_divergence
from mdlib.path.joint import JointPath
from mdlib.svm import Solution, classifier_svm

# Any function that takes the arguments of `mdlib.attention_descent`, or of `mdlib.attention_svm`.
Descent = Callable[..., Trajectory]
Svm = Callable[..., Any]

SIZE = {"n": 6, "T": 8, "d": 10}
STEPS = {1.75: 1500, 2: 2000, 3: 20_000}  # the paper's, with a constant step of 0.1


@lru_cache
def problems(seeds: range) -> tuple[AttentionProblem, Tensor]:
    """The problems of the experiment "direction of W", one a seed, and their decoders."""
    return AttentionProblem.random(**SIZE, seed=seeds)


def starts(seeds: range) -> Tensor:
    """W_0 ~ N(0, 1) for problems 1 to 100, all from one generator; the paper's was not seeded.

    Not from the problem's own seed: the stream would be the one that drew its tokens, and W_0 would
    be correlated with v and the labels.
    """
    d = SIZE["d"]
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(100, d, d, generator=generator, dtype=torch.float64)
    return drawn[[seed - 1 for seed in seeds]]


def growing(p: float, pace: float = 0.1) -> Callable[[int], float]:
    r"""Step sizes under which the norm of W grows by at least about the pace a step.

    The dual norm grows by eta a step, and :math:`\|W\|_p` is its 1/(p-1)-th power. So for p > 2
    the steps have to grow, like :math:`k^{p-2}`; below 2 a constant step is plenty.
    """
    e = max(p, 2) - 1
    return lambda k: float(pace**e * (k**e - (k - 1) ** e))


@lru_cache
def paper_run(
    descent: Descent, p: float, seeds: range, record: tuple[int, ...], zero: bool = False
) -> Trajectory:
    """The paper's protocol: normalised steps of 0.1 from W_0 ~ N(0, 1), or from zero."""
    problem, v = problems(seeds)
    W0 = None if zero else starts(seeds)
    return descent(problem, v, p, max(record), W0=W0, record=record, progress=False)


@lru_cache
def long_run(
    descent: Descent, p: float, seeds: range, record: tuple[int, ...],
    zero: bool = False, pace: float = 0.1,
) -> Trajectory:  # fmt: skip
    """A run with `growing` steps, which gets further in as many steps."""
    problem, v = problems(seeds)
    W0 = None if zero else starts(seeds)
    lr = growing(p, pace)
    return descent(problem, v, p, max(record), lr, W0=W0, record=record, progress=False)


@lru_cache
def goals(svm: Svm, p: float, seeds: range, tokens: tuple[tuple[int, ...], ...]) -> Tensor:
    """W_mm of the tokens selected for each seed."""
    W: Tensor = svm(problems(seeds)[0], torch.tensor(tokens), p).W
    return W


def selection(run: Trajectory, row: int = -1) -> tuple[tuple[int, ...], ...]:
    """The most attended tokens at a recorded step, as `goals` takes them."""
    return tuple(map(tuple, run.attention[row].argmax(-1).tolist()))


@lru_cache
def planted(p: float, seeds: range, spare: int = 0) -> tuple[AttentionProblem, Tensor]:
    """Joint problems whose solution is known, one a seed, and the selections that solve them."""
    return AttentionProblem.planted(**SIZE, p=p, seed=seeds, spare=spare)


def references(
    problem: AttentionProblem, tokens: Tensor, p: float, svm: Svm
) -> tuple[Solution, Tensor, Tensor]:
    """The SVM of v on the chosen tokens, and the W of the full and of the relaxed W-SVM."""
    decoder = classifier_svm(_chosen(problem, tokens), problem.y, p)
    full, relaxed = (svm(problem, tokens, p, required=x).W for x in (None, decoder.support))
    return decoder, full, relaxed


def to_svms(
    found: JointTrajectory | JointPath,
    problem: AttentionProblem,
    tokens: Tensor,
    p: float,
    svm: Svm,
) -> tuple[Tensor, Tensor]:
    """How far each recorded W and v is from the direction of its SVM, all inputs at margin 1."""
    decoder = classifier_svm(_chosen(problem, tokens), problem.y, p)
    return (
        directional_divergence(found.W, svm(problem, tokens, p).W, p),
        directional_divergence(found.v, decoder.v, p, dim=-1),
    )


def _chosen(problem: AttentionProblem, tokens: Tensor) -> Tensor:
    """The chosen tokens themselves, (..., n, d)."""
    return problem.X.take_along_dim(tokens[..., None, None], -2)[..., 0, :]

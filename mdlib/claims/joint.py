"""Chapters 10 and 11: W and v together, on the joint path and in the joint descent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from torch import Tensor

from mdlib.attention import AttentionProblem
from mdlib.claims.ledger import claim
from mdlib.claims.rows import Measured
from mdlib.claims.runs import STEPS, Svm
from mdlib.dynamics import JointTrajectory, joint_descent
from mdlib.joint import JointPath, joint_path
from mdlib.potentials import LpPotential, directional_divergence
from mdlib.shrinkage import Shrinkage, margin_shrinkage
from mdlib.svm import Solution, attention_svm, classifier_svm

# Functions that take the arguments of the ones in mdlib.
Descent = Callable[..., JointTrajectory]
Route = Callable[..., JointPath]

_ONE = range(1, 2)
_TEN, _TWENTY, _HUNDRED = range(1, 11), range(1, 21), range(1, 101)
_SIZE = {"n": 6, "T": 8, "d": 10}


def papers_instance() -> AttentionProblem:
    """The paper's two inputs of three tokens in the plane, whose queries are the first tokens."""
    X = [
        [[-2.7, 1.2], [1.4, 2.1], [1.3, -0.1]],
        [[0.4, -2.2], [-1.1, -0.4], [0.9, 0.1]],
    ]
    return AttentionProblem(X, y=[1, -1], z=[X[0][0], X[1][0]])


@lru_cache
def planted(p: float, seeds: range, spare: int = 0) -> tuple[AttentionProblem, Tensor]:
    """Problems whose solution is known, one a seed."""
    return AttentionProblem.planted(**_SIZE, p=p, seed=seeds, spare=spare)


def chosen(problem: AttentionProblem, tokens: Tensor) -> Tensor:
    """The chosen tokens themselves, (..., n, d)."""
    return problem.X.take_along_dim(tokens[..., None, None], -2)[..., 0, :]


def growing_after(steps: int, p: float, lr: float = 0.1) -> Callable[[int], float]:
    """The paper's constant step for its number of steps; then the norm of W goes on linearly."""
    return lambda k: lr if k <= steps or p <= 2 else lr * (p - 1) * (k / steps) ** (p - 2)


@claim(
    key="joint-direction",
    chapter=11,
    place="joint experiment",
    statement="Trained together, W and v go to the directions of their SVMs (the paper's instance)",
    quick={"steps": STEPS},
    paper={"steps": STEPS},
)
def joint_direction(
    steps: Mapping[float, int], descent: Descent = joint_descent, svm: Svm = attention_svm
) -> Iterator[Measured]:
    """Divergences of W and v after the paper's steps, and how they fall in three times as many.

    The bounds are 1e-3, and a fifth. With a constant step the norms grow like k^(1/(p-1)) and the
    divergence falls at best like their square: at p = 3 a third is left after three times the
    steps. So there the steps after the paper's last one grow, like k^(p-2).
    """
    problem = papers_instance()
    for p, last in steps.items():
        run = descent(problem, p, 3 * last, growing_after(last, p), record=[last, 3 * last])
        goal_W = svm(problem, run.selected, p).W
        goal_v = classifier_svm(chosen(problem, run.selected), problem.y, p).v
        far_W = directional_divergence(run.W, goal_W, p)
        far_v = directional_divergence(run.v, goal_v, p, dim=-1)
        for name, far in (("W", far_W), ("v", far_v)):
            yield Measured(f"p = {p}, {last:,} steps, {name}", far[0].item(), "<=", 1e-3, _ONE)
            fall = (far[0] / far[1]).item()
            yield Measured(f"p = {p}, fall in 3 x the steps, {name}", fall, ">=", 5, _ONE)


@claim(
    key="joint-probabilities",
    chapter=11,
    place="joint experiment",
    statement="Attention to the selected token and the label's probability go to 1 in 100 steps",
    quick={"ps": tuple(STEPS)},
    paper={"ps": tuple(STEPS)},
)
def joint_probabilities(
    ps: Sequence[float], descent: Descent = joint_descent
) -> Iterator[Measured]:
    """The smaller of the two inputs, after 100 steps; the bound is what a figure shows as 1."""
    problem = papers_instance()
    for p in ps:
        run = descent(problem, p, 100, record=[100])
        attention = run.attention[0].amax(-1).min().item()
        label = (problem.y * problem.predict(run.W[0], run.v[0])).sigmoid().min().item()
        yield Measured(f"p = {p}, attention", attention, ">=", 0.99, _ONE)
        yield Measured(f"p = {p}, label", label, ">=", 0.99, _ONE)


@claim(
    key="joint-planted",
    chapter=11,
    place="joint theorem; this book",
    statement="On problems that meet its condition, joint descent finds the planted selection and "
    "both SVMs",
    quick={"steps": {1.75: 1500, 2: 2000}, "seeds": _HUNDRED},
    paper={"steps": STEPS, "seeds": _HUNDRED},
)
def joint_planted(
    steps: Mapping[float, int], seeds: range,
    descent: Descent = joint_descent, svm: Svm = attention_svm,
) -> Iterator[Measured]:  # fmt: skip
    """Median divergences from the SVMs of the planted tokens, over the seeds.

    The condition holds by construction. The bounds are choices: a hundredth of what the direction
    of another p would give, and nearly all of the seeds.
    """
    for p, last in steps.items():
        problem, tokens = planted(p, seeds)
        run = descent(problem, p, last, record=[last])
        found = (run.selected == tokens).all(-1).double().mean().item()
        goal_v = classifier_svm(chosen(problem, tokens), problem.y, p).v
        far_W = directional_divergence(run.W[0], svm(problem, tokens, p).W, p).median().item()
        far_v = directional_divergence(run.v[0], goal_v, p, dim=-1).median().item()
        yield Measured(f"p = {p}, share that finds it", found, ">=", 0.95, seeds)
        yield Measured(f"p = {p}, {last:,} steps, W, median", far_W, "<=", 5e-3, seeds)
        yield Measured(f"p = {p}, {last:,} steps, v, median", far_v, "<=", 1e-4, seeds)


@claim(
    key="joint-race",
    chapter=11,
    place="joint theorem, general case; this book",
    statement="Which W-SVM is the limit is decided by the race of the norms",
    quick={"ps": (2,), "seeds": _TWENTY},
    paper={"ps": (1.75, 2), "seeds": _HUNDRED},
)
def joint_race(
    ps: Sequence[float], seeds: range, descent: Descent = joint_descent, svm: Svm = attention_svm
) -> Iterator[Measured]:
    """How many times farther the wrong SVM is than the right one; two inputs have margin to spare.

    A decoder far ahead: the relaxed SVM, as the paper's general case says, and not the full one.
    Far behind: the full one. In between neither, but `race_svm`. Medians over the seeds whose
    descent found the planted selection; 1 would be no difference, the bound is 10.
    """
    steps = 10_000
    for p in ps:
        problem, tokens = planted(p, seeds, spare=2)
        decoder = classifier_svm(chosen(problem, tokens), problem.y, p)
        full = svm(problem, tokens, p).W
        relaxed = svm(problem, tokens, p, required=decoder.support).W
        for name, lr_v in (("ahead", 0.3), ("behind", 0.0003), ("level", 0.05)):
            run = descent(problem, p, steps, (0.1, lr_v), v0=0.1 * decoder.v, record=[steps])
            found = (run.selected == tokens).all(-1)
            between = race_svm(problem, tokens, decoder, run, p, svm).W
            far = {
                "full": directional_divergence(run.W[0], full, p)[found].median().item(),
                "relaxed": directional_divergence(run.W[0], relaxed, p)[found].median().item(),
                "between": directional_divergence(run.W[0], between, p)[found].median().item(),
            }
            case = f"p = {p}, v {name}"
            if name == "ahead":
                ratio, what = far["full"] / far["relaxed"], "full over relaxed"
            elif name == "behind":
                ratio, what = far["relaxed"] / far["full"], "relaxed over full"
            else:
                ratio = min(far["full"], far["relaxed"]) / far["between"]
                what = "full and relaxed over the SVM between"
            yield Measured(f"{case}: {what}", ratio, ">=", 10, seeds)


def race_svm(
    problem: AttentionProblem, tokens: Tensor, decoder: Solution, run: JointTrajectory, p: float,
    svm: Svm = attention_svm,
) -> Any:  # fmt: skip
    r"""The W-SVM between full and relaxed, for the norms at a run's last step.

    Input i moves W in proportion to the slope of its loss, exp(-m_i), and to its leak, exp(-gap_i).
    In the limit these balance. With :math:`\rho` the label margin over the attention margin and
    :math:`\gamma_i \ge 1` the margins of the l_p-SVM, input i needs the attention margin
    :math:`\max(0, 1 - \rho (\gamma_i - 1))`. As rho depends on the SVM's own norm, it is solved for
    by repetition.
    """
    psi = LpPotential(p)
    label = psi.norm(run.v[-1], dim=-1) / decoder.norm
    size = psi.norm(run.W[-1], dim=(-2, -1))
    norm = svm(problem, tokens, p).norm
    for _ in range(30):
        needed = 1 - (label * norm / size)[..., None] * (decoder.margins - 1)
        found = svm(problem, tokens, p, required=needed.clamp(0, 1))
        norm = found.norm
    return found


@lru_cache
def path_run(path: Route, p: float, seeds: range) -> JointPath:
    """The joint path of planted problems up to r = R = 1,000."""
    return path(planted(p, seeds)[0], p, [10, 100, 1000], [10, 100, 1000])


@claim(
    key="joint-path",
    chapter=10,
    place="joint regularization path",
    statement="On the joint path W and v go to the directions of their SVMs",
    quick={"ps": (1.5,), "seeds": range(1, 3)},
    paper={"ps": (1.5, 2, 3), "seeds": _TEN},
)
def joint_path_directions(
    ps: Sequence[float], seeds: range, path: Route = joint_path, svm: Svm = attention_svm
) -> Iterator[Measured]:
    """The largest divergence over the seeds at r = R = 1,000; problems that meet the condition.

    D falls about as 1/R^2 or R^(-2(p-1)); the bound is one that a wrong direction does not meet.
    """
    for p in ps:
        problem, tokens = planted(p, seeds)
        end = path_run(path, p, seeds)
        goal_v = classifier_svm(chosen(problem, tokens), problem.y, p).v
        far_W = directional_divergence(end.W[-1], svm(problem, tokens, p).W, p).max().item()
        far_v = directional_divergence(end.v[-1], goal_v, p, dim=-1).max().item()
        yield Measured(f"p = {p}, W", far_W, "<=", 1e-3, seeds)
        yield Measured(f"p = {p}, v", far_v, "<=", 1e-6, seeds, resolution=1e-12)


@claim(
    key="joint-schedule",
    chapter=10,
    place="joint regularization path, general case; this book",
    statement="How fast R grows with r decides between the relaxed and the full W-SVM",
    quick={"ps": (2,), "seeds": range(5, 7)},
    paper={"ps": (1.5, 2), "seeds": _TEN},
)
def joint_schedule(
    ps: Sequence[float], seeds: range, path: Route = joint_path, svm: Svm = attention_svm
) -> Iterator[Measured]:
    """How many times farther the wrong SVM is than the right one, at r = 300; two inputs to spare.

    With R = 10 sqrt(r) the decoder is ahead and the relaxed SVM is the limit; with R = 100 r it is
    the full one. Medians over the seeds.
    """
    for p in ps:
        problem, tokens = planted(p, seeds, spare=2)
        decoder = classifier_svm(chosen(problem, tokens), problem.y, p)
        full = svm(problem, tokens, p).W
        relaxed = svm(problem, tokens, p, required=decoder.support).W
        schedules: dict[str, Callable[[Tensor], Tensor]] = {
            "10 sqrt(r)": lambda r: 10 * r.sqrt(),
            "100 r": lambda r: 100 * r,
        }
        for name, R in schedules.items():
            end = path(problem, p, [1, 10, 100, 300], R)
            to_full = directional_divergence(end.W[-1], full, p).median().item()
            to_relaxed = directional_divergence(end.W[-1], relaxed, p).median().item()
            if name == "100 r":
                ratio, what = to_relaxed / to_full, "relaxed over full"
            else:
                ratio, what = to_full / to_relaxed, "full over relaxed"
            yield Measured(f"p = {p}, R = {name}: {what}", ratio, ">=", 10, seeds)


@claim(
    key="joint-condition",
    chapter=10,
    place="joint theorem, margin shrinkage",
    statement="Where leaking attention costs margin the path ends at alpha; where another "
    "selection has more margin it does not",
    quick={"p": 2, "seeds": range(1, 4)},
    paper={"p": 2, "seeds": _TWENTY},
)
def joint_condition(
    p: float, seeds: range,
    path: Route = joint_path, shrinkage: Callable[..., Shrinkage] = margin_shrinkage,
) -> Iterator[Measured]:  # fmt: skip
    """The rate at which leaks cost label margin, and where the path at r = R = 100 ends.

    Planted problems of three inputs, without a rival selection and with one of 1.3 times the
    margin: by construction the rate is positive, and at most -0.3.
    """
    for rival in (0.0, 1.3):
        problem, tokens = AttentionProblem.planted(3, 4, 6, p, seed=seeds, rival=rival)
        parts = zip(problem.X, problem.y, problem.z, tokens, strict=True)
        rates = [shrinkage(AttentionProblem(X, y, z), t, p).rate for X, y, z, t in parts]
        end = path(problem, p, [1, 10, 100], [1, 10, 100])
        share = (end.attention[-1].argmax(-1) == tokens).all(-1).double().mean().item()
        if rival:
            yield Measured("rival: largest rate", max(rates), "<=", -0.25, seeds)
            yield Measured("rival: share of paths that end at alpha", share, "<=", 0, seeds)
        else:
            yield Measured("no rival: least rate", min(rates), ">=", 0.01, seeds)
            yield Measured("no rival: share of paths that end at alpha", share, ">=", 1, seeds)


@claim(
    key="joint-path-descent",
    chapter=10,
    place="joint theorem; this book",
    statement="Joint descent ends in the directions of the joint path",
    quick={"ps": (1.5,), "seeds": range(1, 3)},
    paper={"ps": (1.5, 2, 3), "seeds": _TEN},
)
def path_and_descent(
    ps: Sequence[float], seeds: range, path: Route = joint_path, descent: Descent = joint_descent
) -> Iterator[Measured]:
    """The largest divergence of the descent's W and v from the path's, on planted problems.

    2,000 steps (p = 3: 20,000) against r = R = 1,000. The bound is a tenth of the distance between
    the directions of different p.
    """
    for p in ps:
        problem, _ = planted(p, seeds)
        steps = 20_000 if p > 2 else 2000
        run = descent(problem, p, steps, record=[steps])
        end = path_run(path, p, seeds)
        far_W = directional_divergence(run.W[-1], end.W[-1], p).max().item()
        far_v = directional_divergence(run.v[-1], end.v[-1], p, dim=-1).max().item()
        yield Measured(f"p = {p}, W", far_W, "<=", 1e-2, seeds)
        yield Measured(f"p = {p}, v", far_v, "<=", 1e-4, seeds)

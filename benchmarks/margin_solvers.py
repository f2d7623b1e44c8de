"""The attention SVM beside PIQP, Clarabel and cvxpy, as a batch, and at full size.

PIQP and Clarabel get the dual of p = 2, a quadratic program in the multipliers, with its matrix
already formed: what is timed is their setup and their solve. For other p there is cvxpy's model.
The two sides of a line run in turns, and what is printed is the median over the rounds. Run it with
OMP_NUM_THREADS=1 for one thread, as all other tables of this project are made.
"""

import resource
import statistics
import sys
import time

import clarabel
import numpy as np
import piqp
import scipy.sparse as sp
import torch

from mdlib import AttentionProblem, attention_svm

SIZES = {"small": (6, 8, 10), "middle": (50, 16, 30)}


def seconds(solve):
    """Wall time of a call, and what it returned."""
    start = time.perf_counter()
    answer = solve()
    return time.perf_counter() - start, answer


def in_turns(*solves, rounds):
    """The median wall time of each, all in every round; the first round does not count."""
    times = [[seconds(solve)[0] for solve in solves] for _ in range(rounds + 1)][1:]
    return [statistics.median(column) for column in zip(*times, strict=True)]


def drawn(size):
    problem, v = AttentionProblem.random(*size, seed=1)
    return problem, problem.optimal_tokens(v)


def gram(problem, tokens):
    """A and A A' of the constraints."""
    lead = problem.X.take_along_dim(tokens[:, None, None], 1) - problem.X
    A = torch.einsum("ntj,nk->ntjk", lead, problem.z).flatten(0, 1).flatten(1)
    A = A[A.any(-1)].numpy()
    return A, A @ A.T


def by_piqp(G):
    m = len(G)
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = 1e-9
    P, none = np.asfortranarray(G), np.full(m, np.inf)
    solver.setup(P, -np.ones(m), x_l=np.zeros(m), x_u=none)
    solver.solve()
    return solver.result.x


def by_clarabel(G):
    m = len(G)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = 1e-9
    solver = clarabel.DefaultSolver(
        sp.csc_matrix(np.triu(G)), -np.ones(m), -sp.identity(m, format="csc"), np.zeros(m),
        [clarabel.NonnegativeConeT(m)], settings,
    )  # fmt: skip
    return np.array(solver.solve().x)


def gap_of(A, multipliers):
    """The relative gap that multipliers for p = 2 leave, their weights scaled to margin 1."""
    m = np.maximum(multipliers, 0)
    w = A.T @ m
    return 1 - m.sum() / np.linalg.norm(w) * (A @ w).min() / np.linalg.norm(w)


def against_quadratic_programs():
    """p = 2 beside the two solvers of quadratic programs."""
    for name, size in SIZES.items():
        problem, tokens = drawn(size)
        A, G = gram(problem, tokens)
        rounds = 200 if name == "small" else 15
        ours, theirs, others = in_turns(
            lambda problem=problem, tokens=tokens: attention_svm(problem, tokens, 2),
            lambda G=G: by_piqp(G), lambda G=G: by_clarabel(G), rounds=rounds,
        )  # fmt: skip
        gap = attention_svm(problem, tokens, 2).gap.item()
        gaps = gap_of(A, by_piqp(G)), gap_of(A, by_clarabel(G))
        print(
            f"p = 2    n = {size[0]:<4} dual {1e3 * ours:8.2f} ms (gap {gap:.0e})   "
            f"PIQP {1e3 * theirs:8.2f} ms (gap {gaps[0]:.0e}, {ours / theirs:.2f} x)   "
            f"Clarabel {1e3 * others:8.2f} ms (gap {gaps[1]:.0e})"
        )


def single_problems(rounds=200):
    """One problem of the paper's size."""
    problem, tokens = drawn(SIZES["small"])
    for p in (1.05, 1.1, 1.5, 1.75, 2, 3, 4, 8, 20):
        (ours,) = in_turns(lambda p=p: attention_svm(problem, tokens, p), rounds=rounds)
        steps = attention_svm(problem, tokens, p).steps.item()
        print(f"p = {p:<4} n = 6    dual {1e3 * ours:8.2f} ms   {steps} steps")


def against_cvxpy(rounds=5):
    """The textbook model once, the dual solver before and after it, n = 50, T = 16, d = 30."""
    problem, tokens = drawn(SIZES["middle"])
    for p in (1.5, 2, 3):

        def ours(p=p):
            return attention_svm(problem, tokens, p)

        runs = [seconds(ours) for _ in range(rounds)]
        slow, textbook = seconds(lambda p=p: attention_svm(problem, tokens, p, solver="cvxpy"))
        runs += [seconds(ours) for _ in range(rounds)]
        fast = statistics.median(elapsed for elapsed, _ in runs)
        print(
            f"p = {p:<4} n = 50   dual {1e3 * fast:8.2f} ms (gap {runs[0][1].gap.item():.0e})   "
            f"cvxpy {slow:6.1f} s (gap {textbook.gap.item():.0e})   {slow / fast:6.0f} x"
        )


def one_batch(rounds=5):
    """A hundred problems of the paper's size in one call and one by one."""
    problems, v = AttentionProblem.random(6, 8, 10, seed=range(1, 101))
    tokens = problems.optimal_tokens(v)
    singles = [AttentionProblem.random(6, 8, 10, seed=seed)[0] for seed in range(1, 101)]
    for p in (1.1, 1.5, 1.75, 2, 3, 4, 8):

        def each(p=p):
            for one, chosen in zip(singles, tokens, strict=True):
                attention_svm(one, chosen, p)

        slow, fast = in_turns(each, lambda p=p: attention_svm(problems, tokens, p), rounds=rounds)
        print(
            f"p = {p:<4} 100 seeds  batch {1e3 * fast:6.1f} ms   one by one {1e3 * slow:6.1f} ms   "
            f"{slow / fast:4.1f} x"
        )


def full_size():
    """One problem of a thousand inputs; the memory is that of the whole process so far."""
    problem, tokens = drawn((1000, 32, 256))
    for p in (1.1, 1.5, 2, 3):
        elapsed, solution = seconds(lambda p=p: attention_svm(problem, tokens, p))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # in KiB on Linux
        print(
            f"p = {p:<4} n = 1000  dual {elapsed:7.1f} s (gap {solution.gap.item():.0e})   "
            f"peak {memory:.2f} GiB   {int(solution.support.sum()):,} support tokens"
        )


if __name__ == "__main__":
    print(f"{torch.get_num_threads()} threads")
    single_problems()
    one_batch()
    against_quadratic_programs()
    if "quick" not in sys.argv:
        against_cvxpy()
        full_size()

"""The attention SVM three ways: against cvxpy, at full size, and a hundred problems as one batch.

Batch and single problems run in turns, and what is printed is the median over the rounds; cvxpy,
which takes many seconds, runs once among several runs of the dual solver.
"""

import resource
import statistics
import time

import torch

from mdlib import AttentionProblem, attention_svm


def seconds(solve):
    """Wall time of a call, and what it returned."""
    start = time.perf_counter()
    answer = solve()
    return time.perf_counter() - start, answer


def against_cvxpy(rounds=3):
    """The textbook model once, the dual solver before and after it, n = 50, T = 16, d = 30."""
    problem, v = AttentionProblem.random(50, 16, 30, seed=1)
    tokens = problem.optimal_tokens(v)
    for p in (1.5, 2, 3):
        runs = [seconds(lambda p=p: attention_svm(problem, tokens, p)) for _ in range(rounds)]
        slow, textbook = seconds(lambda p=p: attention_svm(problem, tokens, p, solver="cvxpy"))
        runs += [seconds(lambda p=p: attention_svm(problem, tokens, p)) for _ in range(rounds)]
        fast = statistics.median(elapsed for elapsed, _ in runs)
        print(
            f"p = {p:<4} n = 50    dual {fast:7.3f} s (gap {runs[0][1].gap.item():.0e})   "
            f"cvxpy {slow:6.1f} s (gap {textbook.gap.item():.0e})   {slow / fast:6.0f} x"
        )


def full_size():
    """One problem of a thousand inputs; the memory is that of the whole process so far."""
    problem, v = AttentionProblem.random(1000, 32, 256, seed=1)
    tokens = problem.optimal_tokens(v)
    for p in (1.1, 1.5, 2, 3):
        elapsed, solution = seconds(lambda p=p: attention_svm(problem, tokens, p, tol=1e-6))
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # in KiB on Linux
        print(
            f"p = {p:<4} n = 1000  dual {elapsed:7.1f} s (gap {solution.gap.item():.0e})   "
            f"peak {memory:.2f} GiB   {int(solution.support.sum()):,} support tokens"
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

        pairs = [
            (seconds(each)[0], seconds(lambda p=p: attention_svm(problems, tokens, p))[0])
            for _ in range(rounds)
        ]
        slow, fast = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratio = statistics.median(a / b for a, b in pairs)
        print(
            f"p = {p:<4} 100 seeds  batch {fast:6.3f} s   one by one {slow:6.2f} s   {ratio:4.0f} x"
        )


if __name__ == "__main__":
    print(f"{torch.get_num_threads()} threads")
    full_size()
    one_batch()
    against_cvxpy()

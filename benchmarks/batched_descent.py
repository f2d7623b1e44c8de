"""A hundred seeds as one batch against one seed at a time with autograd, in seed-steps a second.

The loop is as lean as it gets: plain tensors, one backward a step. It runs a few steps only; both
sides are timed in turns and the printed ratio is the median over the rounds.
"""

import statistics
import time

import torch
import torch.nn.functional as F

from mdlib import AttentionProblem, LpPotential, attention_descent

SEEDS, ROUNDS = range(1, 101), 5
BATCH_STEPS, LOOP_STEPS = 300, 300


def batched(p):
    """Seed-steps a second of all seeds at once."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=SEEDS)
    start = time.perf_counter()
    attention_descent(problem, v, p, BATCH_STEPS, record=2)
    return len(SEEDS) * BATCH_STEPS / (time.perf_counter() - start)


def looped(p):
    """Seed-steps a second of one seed, its gradient by autograd."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    psi = LpPotential(p)
    W = torch.zeros(10, 10, dtype=torch.float64, requires_grad=True)
    dual = torch.zeros(10, 10, dtype=torch.float64)
    values = problem.X @ v
    start = time.perf_counter()
    for _ in range(LOOP_STEPS):
        attention = torch.einsum("ntd,de,ne->nt", problem.X, W, problem.z).softmax(-1)
        risk = F.softplus(-problem.y * (attention * values).sum(-1)).mean()
        (gradient,) = torch.autograd.grad(risk, W)
        dual = dual - 0.1 * gradient / gradient.abs().pow(psi.q).sum().pow(1 / psi.q)
        W = (dual.sign() * dual.abs().pow(psi.q - 1)).requires_grad_()
    return LOOP_STEPS / (time.perf_counter() - start)


def main():
    """Print a line for each p."""
    for p in (1.75, 2.0, 3.0):
        rates = [(batched(p), looped(p)) for _ in range(ROUNDS)]
        ratio = statistics.median(fast / slow for fast, slow in rates)
        fast, slow = (statistics.median(column) for column in zip(*rates, strict=True))
        print(f"p = {p:<5} batch {fast:9,.0f}   loop {slow:7,.0f} seed-steps/s   {ratio:6.0f} x")


if __name__ == "__main__":
    main()

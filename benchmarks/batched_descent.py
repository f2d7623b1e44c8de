"""A hundred seeds as one batch against one seed at a time with autograd, in seed-steps a second.

The paper's setting: n = 6, T = 8, d = 10, float64, normalised steps. Three loops stand on the other
side. The *bare loop* is as lean as autograd gets: plain tensors, v.X_it computed beforehand, no
module, no optimizer, no record. The *module loop* is what one writes for a single problem: the
model as a module, backward(), the textbook l_p step as an optimizer, the loss recorded. The
*library loop* is the README's: risk, backward(), MirrorDescent, with all their checks. For W and v
together there is the bare loop alone. All sides run in turns; a ratio is the median over the
rounds.
"""

import statistics
import time

import torch
import torch.nn.functional as F

from mdlib import AttentionProblem, LpPotential, MirrorDescent, attention_descent, joint_descent

ROUNDS, STEPS = 7, 300
LR = 0.1


def batched(p, seeds, steps=STEPS, record=2):
    """Seed-steps a second of all seeds at once."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=range(1, seeds + 1))
    start = time.perf_counter()
    attention_descent(problem, v, p, steps, lr=LR, record=record)
    return seeds * steps / (time.perf_counter() - start)


def batched_jointly(p, seeds):
    """Seed-steps a second of all seeds at once, W and v together."""
    problem, _ = AttentionProblem.random(6, 8, 10, seed=range(1, seeds + 1))
    start = time.perf_counter()
    joint_descent(problem, p, STEPS, lr=LR, record=2)
    return seeds * STEPS / (time.perf_counter() - start)


def bare_joint_loop(p):
    """Seed-steps a second of one seed, W and v together: gradients by autograd and two steps."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    q = p / (p - 1)
    weights = [torch.zeros(10, 10, dtype=torch.float64), v]
    duals = [w.sign() * w.abs().pow(p - 1) for w in weights]
    weights = [w.requires_grad_() for w in weights]
    start = time.perf_counter()
    for _ in range(STEPS):
        W, v = weights
        attention = torch.einsum("ntd,de,ne->nt", problem.X, W, problem.z).softmax(-1)
        outputs = torch.einsum("nt,ntd,d->n", attention, problem.X, v)
        risk = F.softplus(-problem.y * outputs).mean()
        gradients = torch.autograd.grad(risk, weights)
        for i, g in enumerate(gradients):
            duals[i] = duals[i] - LR * g / g.abs().pow(q).sum().pow(1 / q)
            weights[i] = (duals[i].sign() * duals[i].abs().pow(q - 1)).requires_grad_()
    return STEPS / (time.perf_counter() - start)


def bare_loop(p):
    """Seed-steps a second of one seed: a gradient by autograd and a step, no more."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    q = p / (p - 1)
    W = torch.zeros(10, 10, dtype=torch.float64, requires_grad=True)
    dual = torch.zeros(10, 10, dtype=torch.float64)
    values = problem.X @ v
    start = time.perf_counter()
    for _ in range(STEPS):
        attention = torch.einsum("ntd,de,ne->nt", problem.X, W, problem.z).softmax(-1)
        risk = F.softplus(-problem.y * (attention * values).sum(-1)).mean()
        (gradient,) = torch.autograd.grad(risk, W)
        dual = dual - LR * gradient / gradient.abs().pow(q).sum().pow(1 / q)
        W = (dual.sign() * dual.abs().pow(q - 1)).requires_grad_()
    return STEPS / (time.perf_counter() - start)


class Attention(torch.nn.Module):
    """f(X, z) = v^T X^T softmax(X W z) for inputs X (n, T, d) and z (n, d)."""

    def __init__(self, v):
        super().__init__()
        self.W = torch.nn.Parameter(torch.zeros(len(v), len(v), dtype=v.dtype))
        self.register_buffer("v", v)

    def forward(self, X, z):
        attention = (X @ (z @ self.W.T).unsqueeze(-1)).squeeze(-1).softmax(-1)
        return (attention.unsqueeze(-2) @ X).squeeze(-2) @ self.v


class NormalizedLpDescent(torch.optim.Optimizer):
    """The algorithm as the paper states it: to the dual, a step along the unit gradient, back."""

    def __init__(self, params, lr, p):
        super().__init__(params, {"lr": lr, "p": p})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, p = group["lr"], group["p"]
            for w in group["params"]:
                gradient = w.grad / torch.linalg.vector_norm(w.grad, p / (p - 1))
                dual = w.sign() * w.abs().pow(p - 1) - lr * gradient
                w.copy_(dual.sign() * dual.abs().pow(1 / (p - 1)))


def module_loop(p):
    """Seed-steps a second of one seed: module, backward(), optimizer, recorded loss."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    X, y, z = problem.X, problem.y, problem.z
    model = Attention(v)
    optimizer = NormalizedLpDescent(model.parameters(), LR, p)
    losses = []
    start = time.perf_counter()
    for _ in range(STEPS):
        optimizer.zero_grad()
        risk = F.softplus(-y * model(X, z)).mean()
        risk.backward()
        optimizer.step()
        losses.append(risk.item())
    return STEPS / (time.perf_counter() - start)


def library_loop(p):
    """Seed-steps a second of one seed: what the README shows."""
    problem, v = AttentionProblem.random(6, 8, 10, seed=1)
    W = torch.nn.Parameter(torch.zeros(10, 10, dtype=torch.float64))
    optimizer = MirrorDescent([W], lr=LR, potential=LpPotential(p), normalize=True)
    start = time.perf_counter()
    for _ in range(STEPS):
        optimizer.zero_grad()
        problem.risk(W, v).backward()
        optimizer.step()
    return STEPS / (time.perf_counter() - start)


def compare(what, p, seeds, together, loops):
    """Print one line: the rate of the batch, then that of each loop with the ratio."""
    together(p, 2)  # compiles what is not yet compiled
    rounds = [(together(p, seeds), *(loop(p) for loop in loops.values())) for _ in range(ROUNDS)]
    batch, *slow = (statistics.median(column) for column in zip(*rounds, strict=True))
    ratios = [
        statistics.median(ours / theirs[i] for ours, *theirs in rounds) for i in range(len(loops))
    ]
    print(
        f"{what:7} p = {p:<4g} {seeds:5,} seeds: batch {batch:9,.0f}",
        *(
            f"{name} {rate:6,.0f} ({ratio:4.0f} x)"
            for name, rate, ratio in zip(loops, slow, ratios, strict=True)
        ),
        sep="   ",
    )


def main():
    """Print a line for each p and size of batch, then the time of the paper's longest run."""
    threads = torch.get_num_threads()
    print(f"seed-steps a second, {threads} {'thread' if threads == 1 else 'threads'}")
    loops = {"bare loop": bare_loop, "module loop": module_loop, "library loop": library_loop}
    for seeds in (100, 1000):
        for p in (1.75, 2, 3):
            compare("W", p, seeds, batched, loops)
    for p in (1.75, 2, 3):
        compare("W and v", p, 100, batched_jointly, {"bare loop": bare_joint_loop})
    steps = 20_000
    seconds = 100 * steps / batched(3, 100, steps, record=60)
    print(f"p = 3, {steps:,} steps, 100 seeds, measured in full: {seconds:.1f} s")


if __name__ == "__main__":
    main()

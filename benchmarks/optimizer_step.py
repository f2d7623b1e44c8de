"""One step of MirrorDescent against SGD and Adam on ten million weights.

Each round times every optimizer once, so that a slow moment of the machine hits all of them; the
printed ratio to SGD with momentum (fused) is the median over the rounds.
"""

import statistics
import time

import torch

from mdlib import LpPotential, MirrorDescent

SIZE, ROUNDS = 10_000_000, 7


def optimizers():
    """Each optimizer with a parameter and a gradient of its own."""
    make = {
        "SGD momentum fused": lambda w: torch.optim.SGD(w, lr=1e-3, momentum=0.9, fused=True),
        "Adam fused": lambda w: torch.optim.Adam(w, lr=1e-3, fused=True),
        "Adam": lambda w: torch.optim.Adam(w, lr=1e-3),
    }
    for p in (1.1, 1.5, 1.75, 2.0, 3.0):
        make[f"MirrorDescent p={p}"] = lambda w, p=p: MirrorDescent(
            w, lr=1e-3, potential=LpPotential(p)
        )
    make["MirrorDescent p=1.1, normalized"] = lambda w: MirrorDescent(
        w, lr=1e-3, potential=LpPotential(1.1), normalize=True
    )
    generator = torch.Generator().manual_seed(0)
    built = {}
    for name, build in make.items():
        w = torch.nn.Parameter(0.05 * torch.randn(SIZE, generator=generator))
        w.grad = 0.01 * torch.randn(SIZE, generator=generator)
        built[name] = build([w])
    return built


def main():
    """Print a table of medians."""
    built = optimizers()
    seconds = {name: [] for name in built}
    for round_ in range(ROUNDS + 1):
        for name, optimizer in built.items():
            start = time.perf_counter()
            optimizer.step()
            if round_:  # the first step also makes the state
                seconds[name].append(time.perf_counter() - start)
    base = seconds["SGD momentum fused"]
    print(f"{SIZE:,} float32 weights, {torch.get_num_threads()} threads, median of {ROUNDS}")
    for name, times in seconds.items():
        ratio = statistics.median(t / b for t, b in zip(times, base, strict=True))
        print(f"{name:<32}{1e3 * statistics.median(times):8.1f} ms{ratio:8.1f} x")


if __name__ == "__main__":
    main()

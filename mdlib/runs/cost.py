"""What a run will cost: parameters, tokens, steps, arithmetic, and a guess at the time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim import Optimizer
from torch.utils.flop_counter import FlopCounterMode

from mdlib.runs.optimizers import build_optimizer
from mdlib.runs.run import TrainingRun
from mdlib.runs.training import choose_device
from mdlib.train.batches import epoch_batches, sorted_batches
from mdlib.train.evaluation import at_least_single, to_device
from mdlib.train.examples import Examples
from mdlib.train.objective import example_losses
from mdlib.train.precision import autocast, choose_precision

_TIMED = 20  # steps at most
_LIMIT = 20.0  # seconds for all of them


@dataclass(frozen=True)
class Cost:
    """The cost of a run if it lasts for all its epochs.

    Attributes
    ----------
    parameters, examples, steps, epochs : int
        Examples are those to train on, steps those of one epoch.
    tokens, padded : int
        Of one epoch: real ones, after long texts were cut, and with what fills up the batches.
    operations : float
        Multiplications and additions of one epoch's matrix products, forward and backward, and of
        its validation.
    seconds : float
        Expected for one epoch on this machine, now.
    """

    parameters: int
    examples: int
    steps: int
    epochs: int
    tokens: int
    padded: int
    operations: float
    seconds: float

    def __str__(self) -> str:
        padding = f", {self.padded:,} with padding" if self.padded > self.tokens else ""
        rows = {
            "parameters": f"{self.parameters:,}",
            "examples": f"{self.examples:,} to train on",
            "tokens an epoch": f"{self.tokens:,}{padding}",
            "steps": f"{self.steps:,} an epoch, {self.steps * self.epochs:,} in all",
            "operations": f"{self.operations:.1e} an epoch, {self.operations * self.epochs:.1e} "
            "in all",
            "expected time": f"{duration(self.seconds)} an epoch, "
            f"{duration(self.seconds * self.epochs)} in all {self.epochs} epochs",
        }
        return "\n".join(f"{name:<16} {value}" for name, value in rows.items())


def cost(run: TrainingRun, device: str = "auto", progress: bool = False) -> Cost:
    """Count, and time a few real steps, for some 20 seconds at most.

    With progress, stderr says what is being done.
    """
    where = choose_device(device)
    if progress:
        print(f"{run.title}: reading the data ...", file=sys.stderr)
    model, parts = run.load(("train", "validation"))
    model.to(where)
    data, held_out = parts["train"], parts["validation"]
    if progress:
        print("timing a few steps ...", file=sys.stderr)
    lengths = run.tokens(data)
    batches = epoch_batches(data.lengths, run.batch_size, seed=run.seed, epoch=0)
    checks = sorted_batches(held_out.lengths, run.batch_size)
    forward = operations(run, run.tokens(held_out), checks)
    trained = 3 * operations(run, lengths, batches)  # backward costs twice forward
    return Cost(
        parameters=sum(param.numel() for param in model.parameters()),
        examples=len(lengths),
        steps=len(batches),
        epochs=run.epochs,
        tokens=int(lengths.sum()),
        padded=sum(len(batch) * int(lengths[batch].max()) for batch in batches),
        operations=trained + forward,
        seconds=_seconds_an_operation(run, model, data, batches) * (trained + forward),
    )


def costs(runs: Iterable[TrainingRun], device: str = "auto", progress: bool = False) -> str:
    """Write down what each kind of run costs, and all together.

    How a run is optimized and seeded hardly matters for that.
    """
    kinds: dict[TrainingRun, list[TrainingRun]] = {}
    for run in runs:
        kinds.setdefault(replace(run, seed=0, lr=1e-3), []).append(run)
    parts, total = [], 0.0
    for kind, alike in kinds.items():
        found = cost(kind, device, progress)
        total += found.seconds * found.epochs * len(alike)
        parts.append(f"{len(alike)} x {kind.title}\n\n{found}\n")
    count = sum(map(len, kinds.values()))
    parts.append(f"{count} runs, {duration(total)} if one after the other, for all their epochs")
    return "\n".join(parts)


def operations(run: TrainingRun, lengths: Tensor, batches: list[Tensor]) -> float:
    """Count the operations of forward passes, two for each multiplication and its addition.

    Those of the matrix products, as torch counts them, on batches that are padded to their longest.

    Parameters
    ----------
    run : TrainingRun
    lengths : int tensor (N,)
        Tokens of each example.
    batches : list of int tensors
        The indices of each batch.

    Examples
    --------
    >>> from mdlib.studies.text import SentimentRun
    >>> run = SentimentRun(p=2, width=8, heads=2, hidden=16)
    >>> operations(run, torch.tensor([3, 5]), [torch.tensor([0, 1])])
    4448.0
    """
    return float(sum(len(batch) * _of_one(run, int(lengths[batch].max())) for batch in batches))


@cache
def _of_one(run: TrainingRun, tokens: int) -> int:
    """The operations of a forward pass of one example."""
    with torch.device("meta"), torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        model, example = run.sketch().eval(), run.example(tokens)
        with FlopCounterMode(display=False) as counter:  # the fused kernel is not counted on a CPU
            model(example)
    return int(counter.get_total_flops())


def duration(seconds: float) -> str:
    """Write a time in the unit that a reader would use.

    Examples
    --------
    >>> duration(0.42), duration(90), duration(8000), duration(4e5)
    ('0.42 s', '90 s', '2.2 h', '111 h')
    """
    units = ((1, "s"), (60, "min"), (3600, "h"), (86400, "days"))
    size, name = next((u for u in units if seconds < 120 * u[0]), units[-1])
    return (
        f"{seconds / size:.2g} {name}" if seconds < 10 * size else f"{seconds / size:,.0f} {name}"
    )


def _seconds_an_operation(
    run: TrainingRun, model: nn.Module, data: Examples, batches: list[Tensor]
) -> float:
    """Seconds of real steps by their operations, on as much of some batches as there is time for.

    The batches of an epoch come in random order, so the first ones are as good as any.
    """
    # A step takes as long at any learning rate, and at a low one its numbers stay finite.
    optimizer = build_optimizer(replace(run, lr=1e-9), model)
    with torch.random.fork_rng():
        _step(model, optimizer, data, batches[0][:1])  # the first one warms up
        one = _step(model, optimizer, data, batches[0][:1])
        most, timed, seconds = max(1, int(_LIMIT / _TIMED / one)), [], 0.0
        for batch in batches[:_TIMED]:
            timed.append(batch[:most])
            seconds += _step(model, optimizer, data, timed[-1])
            if seconds > _LIMIT:
                break
    return seconds / (3 * operations(run, run.tokens(data), timed))


def _step(model: nn.Module, optimizer: Optimizer, data: Examples, batch: Tensor) -> float:
    """Seconds of one step on the batch."""
    begun = time.perf_counter()
    device = next(model.parameters()).device
    inputs, labels = to_device(data.collate(batch), device)
    optimizer.zero_grad()
    with autocast(choose_precision("auto", device), device):
        outputs = at_least_single(model(*inputs))
    loss = example_losses(outputs, labels).mean()
    torch.autograd.backward(loss)
    optimizer.step()
    loss.item()  # the work of a GPU is done when it has given a number
    return time.perf_counter() - begun

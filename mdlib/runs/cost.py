"""What a run will cost: parameters, tokens, steps, arithmetic, and a guess at the time."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor, nn
from torch.optim import Optimizer

from mdlib.runs.optimizers import build_optimizer
from mdlib.runs.run import TrainingRun
from mdlib.runs.training import choose_device
from mdlib.train import Examples, fit
from mdlib.train.batches import epoch_batches, sorted_batches
from mdlib.train.examples import Batch

_TIMED = 5  # steps
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
    """Count, and time a few real steps on batches from the shortest to the longest.

    Where these would take longer than some 20 seconds, it is parts of batches that are timed. With
    progress, stderr says what is being done.
    """
    where = choose_device(device)
    if progress:
        print(f"{run.title}: reading the data ...", file=sys.stderr)
    model, parts = run.load(("train", "validation"))
    model.to(where)
    data, held_out = parts["train"], parts["validation"]
    if progress:
        print("timing a few steps ...", file=sys.stderr)
    lengths, held_out_lengths = run.tokens(data), run.tokens(held_out)
    batches = epoch_batches(data.lengths, run.batch_size, seed=run.seed, epoch=0)
    checks = sorted_batches(held_out.lengths, run.batch_size)
    forward = operations(run, held_out_lengths, checks)
    trained = 3 * operations(run, lengths, batches)  # backward costs twice forward
    return Cost(
        parameters=sum(param.numel() for param in model.parameters()),
        examples=len(lengths),
        steps=len(batches),
        epochs=run.epochs,
        tokens=int(lengths.sum()),
        padded=sum(_area(lengths, batch) for batch in batches),
        operations=trained + forward,
        seconds=_step_seconds(run, model, data, batches) * len(batches) * (1 + forward / trained),
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

    An example padded to T tokens costs, in a layer of width w and hidden width h,

    - per token, 6 w^2 for queries, keys and values, 2 w^2 for the output, 4 w h for the
      perceptron, and 4 w T for the two products of attention;
    - in the last layer keys and values for each token, 4 w^2, and the rest for one token only;
    - and what the network does before and after its blocks.
    """
    w, h, total = run.width, run.hidden, 0.0
    for batch in batches:
        T = int(lengths[batch].max())
        query = 2 * w * w + 4 * w * T + 2 * w * w + 4 * w * h  # what one token asks and is told
        keys = 4 * w * w
        blocks = run.layers * T * keys + ((run.layers - 1) * T + 1) * query
        total += len(batch) * (blocks + run.outer_operations(T))
    return total


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


class _Chosen:
    """Some of the examples, in batches as they are."""

    def __init__(self, examples: Examples, rows: Tensor) -> None:
        self.examples, self.rows = examples, rows
        self.lengths = examples.lengths[rows]

    def collate(self, indices: Tensor) -> Batch:
        return self.examples.collate(self.rows[indices])


def _step_seconds(
    run: TrainingRun, model: nn.Module, data: Examples, batches: list[Tensor]
) -> float:
    """Mean over batches of typical sizes, from an even choice of quantiles, the middle first."""
    by_size = sorted(batches, key=lambda batch: _area(data.lengths, batch))
    count = min(_TIMED, len(batches))
    chosen = [by_size[math.floor((i + 0.5) * len(batches) / count)] for i in range(count)]
    # A step takes as long at any learning rate, and at a low one its numbers stay finite.
    step = partial(_time, run, model, data, build_optimizer(replace(run, lr=1e-9), model))
    step(chosen[-1][:1])  # the first one warms up
    most = max(2, math.floor(_LIMIT / count / step(chosen[-1][:1])))
    begun, seconds = time.perf_counter(), []
    for i in sorted(range(count), key=lambda i: abs(i - count // 2)):
        seconds.append(_extrapolated(step, data, chosen[i], most))
        if time.perf_counter() - begun > _LIMIT:
            break
    return sum(seconds) / len(seconds)


def _extrapolated(
    step: Callable[[Tensor], float], data: Examples, batch: Tensor, most: int
) -> float:
    """Seconds of a step, on a line through two parts of the batch if it has more than most."""
    if len(batch) <= most:
        return step(batch)
    longest = batch[data.lengths[batch].argsort(descending=True)]  # all are padded to the first
    one, part = step(longest[:1]), step(longest[:most])
    return part + max(part - one, 0.0) / (most - 1) * (len(batch) - most)


def _time(
    run: TrainingRun, model: nn.Module, data: Examples, optimizer: Optimizer, batch: Tensor
) -> float:
    """Seconds of one step on the batch."""
    return fit(
        model,
        _Chosen(data, batch),
        optimizer,
        epochs=1,
        batch_size=len(batch),
        reduction=run.reduction,
        clip=run.clip,
        progress=False,
    ).seconds


def _area(lengths: Tensor, batch: Tensor) -> int:
    return len(batch) * int(lengths[batch].max())

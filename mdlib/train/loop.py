"""The loop of training: a step, a line of metrics, the end of an epoch, a checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer
from tqdm import tqdm

from mdlib.nn.modes import modes_kept
from mdlib.train.batches import epoch_batches, sorted_batches
from mdlib.train.directory import RunDirectory
from mdlib.train.evaluation import at_least_single, evaluate, to_device
from mdlib.train.examples import Examples, not_finite
from mdlib.train.norms import explained
from mdlib.train.objective import Loss, correct
from mdlib.train.options import Options
from mdlib.train.precision import Precision, autocast
from mdlib.train.processes import Processes
from mdlib.train.result import Fitted, Place
from mdlib.train.settings import check_whereabouts, whereabouts
from mdlib.train.snapshot import put_back, take


@dataclass
class Loop:
    """A training under way. What changes is the model, the optimizer, torch's generator, the place.

    The attributes are the parameters of `mdlib.train.fit`, checked and chosen.
    """

    model: nn.Module
    train: Examples
    optimizer: Optimizer
    validation: Examples | None
    loss: Loss
    options: Options
    processes: Processes
    precision: Precision
    bucket: int
    log_every: int
    checkpoint_steps: int | None
    checkpoint_minutes: float | None
    progress: bool | None

    def __post_init__(self) -> None:
        self.place = Place()
        self.rates = [float(group["lr"]) for group in self.optimizer.param_groups]
        self.batches = math.ceil(len(self.train.lengths) / self.options.batch_size)
        self.lines: list[dict[str, Any]] = []
        self.pending: list[tuple[Tensor, int]] = []  # sums still on the device, examples
        self.saved_step: int | None = None

    def run(self, directory: RunDirectory | None) -> Fitted:
        """Begin or go on, to the end; leave the caller's generator, modes and rates alone."""
        self.directory = directory
        device = self.processes.device
        gpus = [device] if device.type == "cuda" else []
        try:
            with modes_kept(self.model), torch.random.fork_rng(gpus):
                self._begin()
                if not self.place.stopped:
                    self._train()
        finally:
            self._set_rates(1.0)
        self.processes.wait()  # each finds the files when it goes on
        at = self.place
        return Fitted(
            metrics=self.lines,
            steps=at.step,
            epochs=at.epoch,
            stopped=at.stopped,
            best=at.best,
            seconds=at.seconds,
            directory=None if directory is None else directory.path,
        )

    def _begin(self) -> None:
        """Go on from the checkpoint; without one, write the first, with the initial weights."""
        restored = None
        if self.directory is not None:
            at = self.processes
            self.where = whereabouts(at.device, self.precision, at.count)
            restored = self.directory.restore()
            if restored is not None and "where" in restored[0]:
                check_whereabouts(restored[0]["where"], self.where, self.directory.path)
        if restored is None:
            entropy = [self.options.seed, self.processes.rank]
            torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1)[0]))
        else:
            state, self.lines = restored
            self.place = put_back(state, self.model, self.optimizer, self.processes)
            self.saved_step = self.place.step
        self.started = time.perf_counter() - self.place.seconds
        self.saved_at = time.perf_counter()
        if restored is None:
            self._save()

    def _train(self) -> None:
        options, at = self.options, self.place
        if not self.model.training:  # else parts that are in evaluation mode are meant to be
            self.model.train()
        self.processes.begin_alike(self.model)
        silent = None if self.progress is None else not self.progress
        bar = tqdm(
            total=options.epochs * self.batches,
            initial=at.step,
            unit="step",
            leave=False,
            disable=True if self.processes.rank else silent,
        )
        with bar:
            while not at.stopped:
                batches = epoch_batches(
                    self.train.lengths, options.batch_size, options.seed, at.epoch, self.bucket
                )
                for batch in batches[at.batch :]:
                    self._step(batch, options.rate(at.step, bar.total))
                    at.batch, at.step = at.batch + 1, at.step + 1
                    bar.update()
                    logs = at.step % self.log_every == 0 or at.batch == len(batches)
                    if logs:
                        loss = self._log()
                        bar.set_postfix(epoch=at.epoch + 1, loss=loss, refresh=False)
                    if at.batch == len(batches):
                        self._end_epoch()
                    if at.stopped or self._is_due(logs):
                        self._save()

    def _step(self, batch: Tensor, rate: float) -> None:
        share, device = self.processes.share(batch), self.processes.device
        # A process without a share computes an example and drops it: the others wait for it.
        examples = self.train.collate(share if len(share) else batch[:1])
        inputs, labels = to_device(examples, device)
        self.optimizer.zero_grad(set_to_none=True)
        try:
            with autocast(self.precision, device):
                outputs = at_least_single(self.model(*inputs))
        except ValueError as error:
            raise explained(error, self.model, len(labels)) from error
        losses = self.loss(outputs, labels)
        if losses.shape != labels.shape:
            raise ValueError(
                f"loss must return one value for each of {len(labels)} examples, got shape "
                f"{tuple(losses.shape)}; use reduction='none' in it"
            )
        losses = losses[: len(share)]
        weight = 1 / (len(batch) if self.options.reduction == "mean" else 1)
        torch.autograd.backward(losses.sum() * weight)
        self.processes.sum_gradients(self.model)
        norm = losses.new_zeros(())
        if self.options.clip is not None:
            norm = clip_grad_norm_(self.model.parameters(), self.options.clip)
        self._set_rates(rate)
        self.optimizer.step()
        # Kept where it is: to ask a GPU for a number is to wait for it.
        right = correct(outputs.detach(), labels)[: len(share)].sum()
        own = norm / self.processes.count
        row = torch.stack([losses.detach().sum(), right.to(losses.dtype), own.to(losses.dtype)])
        self.pending.append((row, len(batch)))

    def _settle(self) -> None:
        """Read the sums of the steps since the last time, from all processes; refuse NaN."""
        if not self.pending:
            return
        rows, counts = zip(*self.pending, strict=True)
        first = self.place.step - len(rows) + 1
        self.pending = []
        found = self.processes.total(torch.stack(rows)).tolist()
        for step, (row, count) in enumerate(zip(found, counts, strict=True), first):
            if not math.isfinite(row[0]):
                self._diverged(f"the loss is {row[0]} at step {step}", self._broken(step))
            self.place.rows.append([*row, count])

    def _log(self) -> float:
        """Write a line about the steps since the last one; return its loss."""
        self._settle()
        at = self.place
        loss, right, norm, count = (math.fsum(column) for column in zip(*at.rows, strict=True))
        line = {
            "event": "step",
            "step": at.step,
            "epoch": at.epoch + 1,
            "loss": loss / count,
            "accuracy": right / count,
            "lr": float(self.optimizer.param_groups[0]["lr"]),
        }
        if self.options.clip is not None:
            line["gradient_norm"] = norm / len(at.rows)
        at.sums = [a + b for a, b in zip(at.sums, (loss, right, count), strict=True)]
        at.rows = []
        self._write(line)
        return loss / count

    def _end_epoch(self) -> None:
        at, options = self.place, self.options
        loss, right, count = at.sums
        at.epoch, at.batch, at.sums = at.epoch + 1, 0, [0.0, 0.0, 0.0]
        line = {
            "event": "epoch",
            "epoch": at.epoch,
            "step": at.step,
            "loss": loss / count,
            "accuracy": right / count,
        }
        if self.validation is not None:
            line |= self._validate(self.validation)
            if at.best is None or _merit(line) > _merit(at.best):
                self._check_weights()
                at.best, at.stale = line, 0
                if self.directory is not None:
                    self.directory.save_best(self.model)
            else:
                at.stale += 1
        self._write(line)
        if options.stop_at_accuracy is not None and right / count >= options.stop_at_accuracy:
            at.stopped = "accuracy"
        elif options.patience is not None and at.stale >= options.patience:
            at.stopped = "patience"
        elif at.epoch == options.epochs:
            at.stopped = "epochs"

    def _validate(self, validation: Examples) -> dict[str, float]:
        found = evaluate(
            self.model,
            validation,
            self.options.batch_size,
            self.loss,
            self.precision,
            self.processes,
        )
        if not math.isfinite(found["loss"]):
            self._diverged(
                f"the validation loss is {found['loss']} after step {self.place.step}",
                not_finite(validation, sorted_batches(validation.lengths, self.options.batch_size)),
            )
        return {f"validation_{name}": value for name, value in found.items()}

    def _write(self, line: dict[str, Any]) -> None:
        self.lines.append(line)
        if self.directory is not None:
            self.directory.append(line)

    def _is_due(self, logs: bool) -> bool:
        steps, minutes = self.checkpoint_steps, self.checkpoint_minutes
        if steps is not None and self.place.step % steps == 0:
            return True
        if minutes is None or not logs:  # processes agree on the time where they talk anyway
            return False
        return self.processes.agree(time.perf_counter() - self.saved_at >= 60 * minutes)

    def _save(self) -> None:
        self._settle()
        self._check_weights()
        self.place.seconds = time.perf_counter() - self.started
        if self.directory is not None:
            state = take(self.model, self.optimizer, self.place, self.processes)
            self.directory.save(state | {"where": self.where})
        self.saved_at, self.saved_step = time.perf_counter(), self.place.step

    def _check_weights(self) -> None:
        if not all(bool(param.isfinite().all()) for param in self.model.parameters()):
            self._diverged(f"a weight is not finite after step {self.place.step}")

    def _set_rates(self, factor: float) -> None:
        for group, rate in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * factor

    def _broken(self, step: int) -> int | None:
        """An example of this step, counted from 1, with an input that is not finite."""
        epoch, number = divmod(step - 1, self.batches)
        options, lengths = self.options, self.train.lengths
        batches = epoch_batches(lengths, options.batch_size, options.seed, epoch, self.bucket)
        return not_finite(self.train, [batches[number]])

    def _diverged(self, what: str, broken: int | None = None) -> NoReturn:
        kept = "no directory was given, so there is no checkpoint"
        if self.directory is not None and self.saved_step is not None:
            path = self.directory.path / "checkpoint.pt"
            kept = f"the last good checkpoint is {path}, of step {self.saved_step}"
        # Of the step: after the last one of an epoch the place is already in the next.
        epoch = max(1, math.ceil(self.place.step / self.batches))
        remedy = f"use a lower lr than {self.rates[0]:g}"
        if broken is not None:
            remedy = f"its example {broken} has an input that is not finite: mend or remove it"
        raise FloatingPointError(f"{what} (epoch {epoch}); {kept}; {remedy}")


def _merit(line: Mapping[str, Any]) -> tuple[float, float]:
    return line["validation_accuracy"], -line["validation_loss"]

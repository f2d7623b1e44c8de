"""fit: train a model on one process or several, through any number of restarts."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from mdlib.train.directory import RunDirectory
from mdlib.train.examples import Examples
from mdlib.train.objective import Loss
from mdlib.train.options import Options, Reduction, Schedule, is_integer, is_number
from mdlib.train.precision import Precision, choose_precision
from mdlib.train.processes import join
from mdlib.train.result import Run
from mdlib.train.settings import describe, provenance
from mdlib.train.training import Training


def fit(
    model: nn.Module,
    train: Examples,
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int = 100,
    validation: Examples | None = None,
    directory: str | Path | None = None,
    seed: int = 0,
    loss: Loss | None = None,
    reduction: Reduction = "mean",
    clip: float | None = None,
    warmup: int = 0,
    schedule: Schedule = "constant",
    stop_at_accuracy: float | None = None,
    patience: int | None = None,
    bucket: int = 50,
    precision: Precision = "auto",
    log_every: int = 10,
    checkpoint_steps: int | None = None,
    checkpoint_minutes: float | None = 5.0,
    progress: bool | None = None,
    note: Any = None,
) -> Run:
    r"""Train a model where it is, on its own device.

    Step k draws a batch B and moves the optimizer along the gradient of

    .. math:: \sum_{i \in B} \ell(f(x_i), y_i) \quad\text{or}\quad
        \frac{1}{|B|} \sum_{i \in B} \ell(f(x_i), y_i).

    With a ``directory`` a run that was stopped at any moment, by SIGKILL or by the mains, goes on
    from its last checkpoint when the same call is made again, and ends with the weights and the
    metrics, bit for bit, that it would have had. (On a GPU this needs
    ``torch.use_deterministic_algorithms(True)``.) A finished run is not repeated: its weights are
    loaded and its metrics returned.

    Started by torchrun, the processes train as one: ``batch_size`` is that of all together, and
    loss and weights follow those of a single process up to rounding. Dropout draws differ.

    Parameters
    ----------
    model : nn.Module
        Called as ``model(*inputs)``; returns logits (B,) or (B, K). Ends with the last weights and
        in the mode, training or evaluation, in which it came.
    train, validation : Examples
        The data; see `Examples`.
    optimizer : torch.optim.Optimizer
        `mdlib.MirrorDescent` or any other that needs no closure, over the model's parameters.
    epochs, batch_size : int
    directory : path, optional
        Where to keep checkpoints, metrics and what determines the run; nowhere unless given.
    seed : int
        Of the order of examples and of dropout. The initial weights are the model's.
    loss : function, optional
        From outputs and labels to the loss of each example, (B,). By default cross-entropy, see
        `mdlib.train.objective.example_losses`.
    reduction : {"mean", "sum"}
        Over the batch. The paper's is the sum, and its learning rates belong to it.
    clip : float, optional
        Largest l2 norm of the gradient of all parameters together.
    warmup : int
        Steps in which the learning rate grows linearly to the optimizer's own.
    schedule : {"constant", "cosine"}
        The learning rate after the warm-up; "cosine" ends near 0 with the last epoch.
    stop_at_accuracy : float, optional
        Stop after an epoch whose accuracy on its own batches, as they came, is at least this.
    patience : int, optional
        Stop after so many epochs in a row without a new best validation.
    bucket : int
        Batches of similar length are cut from pools of so many batches; 1 shuffles plainly.
    precision : {"auto", "float32", "bfloat16"}
        Of matrix products; "auto" takes bfloat16 on a GPU that has it, and float32 elsewhere.
    log_every : int
        Steps from one line of the metrics to the next.
    checkpoint_steps : int, optional
        Write a checkpoint after every so many steps.
    checkpoint_minutes : float, optional
        Write one also when so many minutes have passed since the last.
    progress : bool, optional
        Show a progress bar; by default on a terminal.
    note : optional
        Anything JSON can hold that belongs to what determines the run, such as the seed of the
        initial weights or the name of the split.

    Returns
    -------
    Run

    Raises
    ------
    ValueError
        For options out of range, a note that JSON cannot hold, an optimizer of another model, a
        directory begun with other settings (named) or damaged.
    RuntimeError
        If another process trains in the directory.
    FloatingPointError
        If the loss or a weight is no longer finite: the step, the last good checkpoint, and the
        learning rate to lower. No checkpoint is ever written of such weights.

    Examples
    --------
    >>> import torch
    >>> from mdlib import MirrorDescent
    >>> from mdlib.train import Arrays
    >>> points = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
    >>> side = Arrays(points, (points.sum(1) > 0).long())
    >>> model = nn.Sequential(nn.Linear(2, 1), nn.Flatten(0))
    >>> optimizer = MirrorDescent(model.parameters(), lr=1.0)
    >>> run = fit(model, side, optimizer, epochs=20, batch_size=20)
    >>> run.steps, run.metrics[-1]["accuracy"] > 0.95
    (200, True)
    """
    options = Options(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        reduction=reduction,
        clip=clip,
        warmup=warmup,
        schedule=schedule,
        stop_at_accuracy=stop_at_accuracy,
        patience=patience,
        bucket=bucket,
        log_every=log_every,
    )
    if patience is not None and validation is None:
        raise ValueError("patience counts validations: pass validation=...")
    _check_checkpoints(checkpoint_steps, checkpoint_minutes)
    _check_note(note)
    _check_parameters(model, optimizer)
    device = next(model.parameters()).device
    chosen = choose_precision(precision, device)
    path = None if directory is None else Path(directory)
    processes = join(device)
    with RunDirectory(path, writes=processes.rank == 0) as record:
        settings = describe(model, optimizer, train, validation, loss, device) | {
            "options": asdict(options),
            "precision": chosen,
            "processes": processes.count,
            "note": note,
        }
        record.begin(settings, provenance(device))
        training = Training(
            model, train, optimizer, validation, loss, options, chosen, processes, record
        )
        return training.run(checkpoint_steps, checkpoint_minutes, progress)


def _check_checkpoints(steps: int | None, minutes: float | None) -> None:
    if steps is not None and not is_integer(steps, 1):
        raise ValueError(
            f"checkpoint_steps must be an integer of at least 1, or None; got {steps!r}"
        )
    if minutes is not None and not (is_number(minutes) and minutes >= 0):
        raise ValueError(
            f"checkpoint_minutes must be a number of at least 0, or None; got {minutes!r}"
        )


def _check_note(note: Any) -> None:
    try:
        json.dumps(note, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"note must be what JSON can hold, got {note!r} ({error}); build it from None, "
            "strings, finite numbers, lists and dicts"
        ) from None


def _check_parameters(model: nn.Module, optimizer: Optimizer) -> None:
    ours = {id(param) for param in model.parameters()}
    if not all(id(param) in ours for group in optimizer.param_groups for param in group["params"]):
        raise ValueError(
            "the optimizer has parameters that are not the model's; build it from "
            "model.parameters(), after the model was moved to its device"
        )

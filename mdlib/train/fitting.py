"""fit: train a model on one process or several, through any number of restarts."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import nn
from torch.optim import Optimizer

from mdlib.train.directory import RunDirectory
from mdlib.train.examples import Examples
from mdlib.train.loop import Loop
from mdlib.train.norms import check_shared
from mdlib.train.objective import Loss, example_losses
from mdlib.train.options import Options, check_integer, is_number
from mdlib.train.precision import Precision, choose_precision
from mdlib.train.processes import join
from mdlib.train.result import Fitted
from mdlib.train.settings import describe


def fit(
    model: nn.Module,
    train: Examples,
    optimizer: Optimizer,
    options: Options | None = None,
    *,
    validation: Examples | None = None,
    directory: RunDirectory | str | Path | None = None,
    loss: Loss | None = None,
    bucket: int = 50,
    precision: Precision = "auto",
    log_every: int = 10,
    checkpoint_steps: int | None = None,
    checkpoint_minutes: float | None = 5.0,
    progress: bool | None = None,
    **chosen: Any,
) -> Fitted:
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
    loss and weights follow those of a single process up to rounding. Dropout draws differ, and a
    BatchNorm in training mode is refused: it would see shares of batches only.

    Parameters
    ----------
    model : nn.Module
        Called as ``model(*inputs)``; returns logits (B,) or (B, K). Ends with the last weights,
        each part in the mode, training or evaluation, in which it came. Of a model in training
        mode the parts in evaluation mode stay so, such as a frozen backbone; one that is in
        evaluation mode itself is trained as a whole.
    train, validation : Examples
        The data; see `Examples`.
    optimizer : torch.optim.Optimizer
        `mdlib.MirrorDescent` or any other that needs no closure, over the model's parameters.
    options : Options, optional
        Or each by its name instead: ``epochs=20, batch_size=50``.
    directory : path or open RunDirectory, optional
        Where to keep checkpoints, metrics and what determines the run; nowhere unless given. If
        another process is at the run, wait for it.
    loss : function, optional
        From outputs and labels to the loss of each example, (B,). By default cross-entropy, see
        `mdlib.train.objective.example_losses`.
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
    **chosen
        The fields of `Options`.

    Returns
    -------
    Fitted

    Raises
    ------
    ValueError
        For options out of range, an optimizer of another model, a BatchNorm that meets one example
        or is shared by processes, a directory begun with other
        settings (named) or damaged.
    TypeError
        For an option that there is not, or options given in both ways.
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
    >>> fitted = fit(model, side, optimizer, epochs=20, batch_size=20)
    >>> fitted.steps, fitted.metrics[-1]["accuracy"] > 0.95
    (200, True)
    """
    if options is None:
        options = Options(**chosen)
    elif chosen:
        raise TypeError(f"options are given, so {', '.join(chosen)} must be among them")
    check_integer("bucket", bucket, 1)
    check_integer("log_every", log_every, 1)
    if options.patience is not None and validation is None:
        raise ValueError("patience counts validations: pass validation=...")
    _check_checkpoints(checkpoint_steps, checkpoint_minutes)
    _check_parameters(model, optimizer)
    device = next(model.parameters()).device
    exact = choose_precision(precision, device)
    processes = join(device)
    check_shared(model, processes.count)
    loop = Loop(
        model,
        train,
        optimizer,
        validation,
        loss or example_losses,
        options,
        processes,
        exact,
        bucket,
        log_every,
        checkpoint_steps,
        checkpoint_minutes,
        progress,
    )
    if directory is None or isinstance(directory, RunDirectory):
        return loop.run(directory)
    settings = describe(model, optimizer, train, validation, loss)
    settings["options"] = asdict(options) | {"bucket": int(bucket), "log_every": int(log_every)}
    started = time.time()
    with RunDirectory(directory, settings, processes) as opened:
        fitted = loop.run(opened)
        if opened.read("outcome") is None:
            opened.conclude("outcome", "finished", fitted.summary, started=started)
    return fitted


def _check_checkpoints(steps: int | None, minutes: float | None) -> None:
    if steps is not None:
        check_integer("checkpoint_steps", steps, 1, " or None;")
    if minutes is not None and not (is_number(minutes) and minutes >= 0):
        raise ValueError(
            f"checkpoint_minutes must be a number of at least 0, or None; got {minutes!r}"
        )


def _check_parameters(model: nn.Module, optimizer: Optimizer) -> None:
    ours = {id(param) for param in model.parameters()}
    if not all(id(param) in ours for group in optimizer.param_groups for param in group["params"]):
        raise ValueError(
            "the optimizer has parameters that are not the model's; build it from "
            "model.parameters(), after the model was moved to its device"
        )

"""Train a run, and look at the test part when asked."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch

from mdlib.runs.optimizers import build_optimizer
from mdlib.runs.run import TrainingRun, describe_run
from mdlib.train.directory import RunDirectory, Which
from mdlib.train.evaluation import evaluate
from mdlib.train.fitting import fit
from mdlib.train.processes import join

# How many there are of each kind.
_DEVICES: dict[str, Callable[[], int]] = {
    "cpu": lambda: 1,
    "cuda": torch.cuda.device_count,
    "mps": torch.backends.mps.is_available,
}
_WEIGHTS: tuple[Which, ...] = ("best", "last")


def prepare(runs: Iterable[TrainingRun]) -> None:
    """Prepare what the runs read: once, and before the first of them is begun without its data."""
    for run in {run.source: run for run in runs}.values():
        run.prepare()


def train(
    run: TrainingRun,
    directory: RunDirectory | str | Path,
    device: str = "auto",
    progress: bool | None = False,
) -> dict[str, Any]:
    """Train, validate after each epoch, and return the curves; the test part is not looked at.

    Stopped and called again with the same directory, it goes on (`mdlib.train.fit`).

    Parameters
    ----------
    run : TrainingRun
    directory : open RunDirectory or path
    device : str
        As torch names it; "auto" takes a GPU if there is one.
    progress : bool, optional
        Show a progress bar; None: on a terminal.

    Returns
    -------
    dict
        ``curve``: loss and accuracy of each epoch, on the training examples as they came and on
        the validation part; ``best``: its line with the best validation accuracy; ``stopped``,
        ``steps``, ``parameters``, and ``seconds`` over all restarts.

    Raises
    ------
    ValueError
        If there is no such device, or the directory was begun with another run.
    UnavailableError
        If the data are not here and cannot be fetched.
    FloatingPointError
        If the loss is no longer finite.
    """
    where = choose_device(device)  # before the data, which take longer
    if not isinstance(directory, RunDirectory):
        with RunDirectory(directory, describe_run(run), join(where)) as opened:
            return train(run, opened, device, progress)
    model, parts = run.load(("train", "validation"))
    model.to(where)
    if directory.writes:
        run.save_reader(directory)
    fitted = fit(
        model,
        parts["train"],
        build_optimizer(run, model),
        run,
        validation=parts["validation"],
        directory=directory,
        progress=progress,
    )
    return {
        "curve": [_plain(line) for line in fitted.metrics if line["event"] == "epoch"],
        "best": fitted.best and _plain(fitted.best),
        "stopped": fitted.stopped,
        "steps": fitted.steps,
        "seconds": fitted.seconds,
        "parameters": sum(param.numel() for param in model.parameters()),
    }


def score_on_test(
    run: TrainingRun, directory: str | os.PathLike[str], device: str = "auto"
) -> dict[str, dict[str, float]]:
    """Return loss and accuracy on the test part, for the best weights and for the last.

    "best" are those of the epoch with the best validation, "last" those at the end.

    Raises
    ------
    ValueError
        If there is no such device.
    FileNotFoundError
        If the run was not trained in the directory.
    """
    where = choose_device(device)
    models = {which: run.load_trained(directory, which) for which in _WEIGHTS}
    _, parts = run.load(("test",))
    return {
        which: evaluate(model.to(where), parts["test"], run.batch_size)
        for which, model in models.items()
    }


def choose_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is a GPU if there is one.

    Of several processes that torchrun started on a machine each has a GPU of its own.

    Raises
    ------
    ValueError
        For another kind than cpu, cuda or mps, or one that this machine does not have.

    Examples
    --------
    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    kind = name.partition(":")[0]
    if kind not in _DEVICES:
        raise ValueError(f"device must be auto, cpu, cuda or mps, got {name!r}")
    try:
        device = torch.device(name)
        found = (device.index or 0) < _DEVICES[kind]()
    except RuntimeError:  # cuda:one
        found = False
    if not found:
        raise ValueError(f"device {name!r} is not available here; use cpu")
    return device


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "event"}

"""Train a run, and look at the test part when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Literal

import torch

from mdlib.runs.optimizers import build_optimizer
from mdlib.runs.run import TrainingRun, fit_options
from mdlib.train import evaluate, fit, load_weights

# How many there are of each kind.
_DEVICES: dict[str, Callable[[], int]] = {
    "cpu": lambda: 1,
    "cuda": torch.cuda.device_count,
    "mps": torch.backends.mps.is_available,
}
_WEIGHTS: tuple[Literal["best", "last"], ...] = ("best", "last")


def prepare(runs: Iterable[TrainingRun]) -> None:
    """Prepare what the runs read: once, and before the first of them is begun without its data."""
    for run in {run.source: run for run in runs}.values():
        run.prepare()


def train(
    run: TrainingRun, directory: Path, device: str = "auto", progress: bool | None = False
) -> dict[str, Any]:
    """Train, validate after each epoch, and return the curves; the test part is not looked at.

    Stopped and called again with the same directory, it goes on (`mdlib.train.fit`).

    Parameters
    ----------
    run : TrainingRun
    directory : path
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
        If there is no such device.
    UnavailableError
        If the data are not here and cannot be fetched.
    FloatingPointError
        If the loss is no longer finite.
    """
    where = choose_device(device)  # before the data, which take longer
    model, parts = run.load(("train", "validation"))
    model.to(where)
    if not (directory / "config.json").exists():  # begun with other settings, it is not ours
        run.save_reader(directory)
    trained = fit(
        model,
        parts["train"],
        build_optimizer(run, model),
        validation=parts["validation"],
        directory=directory,
        progress=progress,
        **fit_options(run),
    )
    return {
        "curve": [_plain(line) for line in trained.metrics if line["event"] == "epoch"],
        "best": trained.best and _plain(trained.best),
        "stopped": trained.stopped,
        "steps": trained.steps,
        "seconds": trained.seconds,
        "parameters": sum(param.numel() for param in model.parameters()),
    }


def score_on_test(
    run: TrainingRun, directory: Path, device: str = "auto"
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
    model, parts = run.load(("test",))
    model.to(where)
    scores: dict[str, dict[str, float]] = {}
    for which in _WEIGHTS:
        load_weights(model, directory, which)
        scores[which] = evaluate(model, parts["test"], run.batch_size)
    return scores


def choose_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is a GPU if there is one.

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

"""Train a run, look at the test part when asked, and read a trained model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import torch

from mdlib.data.encoded import Encoded, load_encoded
from mdlib.data.tokenizer import Tokenizer
from mdlib.nn import TextClassifier
from mdlib.sentiment.run import SentimentRun, build_model, build_optimizer, fit_options
from mdlib.train import Sequences, evaluate, fit, load_weights


def prepare(runs: Iterable[SentimentRun]) -> None:
    """Encode what the runs read: once, and before the first of them is begun without its data."""
    for name, vocabulary in dict.fromkeys((run.data, run.vocabulary) for run in runs):
        load_encoded(name, vocabulary)


def train(
    run: SentimentRun, directory: Path, device: str = "auto", progress: bool | None = False
) -> dict[str, Any]:
    """Train, validate after each epoch, and return the curves; no test text is looked at.

    Stopped and called again with the same directory, it goes on (`mdlib.train.fit`).

    Parameters
    ----------
    run : SentimentRun
    directory : path
    device : str
        As torch names it; "auto" takes a GPU if there is one.
    progress : bool, optional
        Show a progress bar; None: on a terminal.

    Returns
    -------
    dict
        ``curve``: loss and accuracy of each epoch, on the texts as they came and on the
        validation part; ``best``: its line with the best validation accuracy; ``stopped``,
        ``steps``, ``parameters``, and ``seconds`` over all restarts.

    Raises
    ------
    UnavailableError
        If the data are not here and cannot be fetched.
    FloatingPointError
        If the loss is no longer finite.
    """
    tokenizer, parts = load_encoded(run.data, run.vocabulary)
    model = build_model(run, len(tokenizer)).to(choose_device(device))
    trained = fit(
        model,
        training_part(run, parts["train"]),
        build_optimizer(run, model),
        validation=sequences(run, parts["validation"]),
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
    run: SentimentRun, directory: Path, device: str = "auto"
) -> dict[str, dict[str, float]]:
    """Return loss and accuracy on the test part, for the best weights and for the last.

    "best" are those of the epoch with the best validation, "last" those at the end.

    Raises
    ------
    FileNotFoundError
        If the run was not trained in the directory.
    """
    scores = {}
    for which in ("best", "last"):
        model, _ = load_model(run, directory, which)
        _, parts = load_encoded(run.data, run.vocabulary, ["test"])
        model.to(choose_device(device))
        scores[which] = evaluate(model, sequences(run, parts["test"]), run.batch_size)
    return scores


def load_model(
    run: SentimentRun, directory: str | Path, which: Literal["last", "best"] = "best"
) -> tuple[TextClassifier, Tokenizer]:
    """Return a trained model in evaluation mode, on the CPU, and the tokenizer it reads with."""
    tokenizer, _ = load_encoded(run.data, run.vocabulary, [])
    model = build_model(run, len(tokenizer)).eval()
    load_weights(model, directory, which)
    return model, tokenizer


def sequences(run: SentimentRun, encoded: Encoded) -> Sequences:
    """Return texts cut to the run's length."""
    return Sequences([ids[: run.max_length] for ids in encoded.ids], encoded.labels)


def training_part(run: SentimentRun, encoded: Encoded) -> Sequences:
    """Return the texts that the run trains on: all, or its subset.

    Raises
    ------
    ValueError
        If there are not as many.
    """
    count = len(encoded.ids)
    if run.subset is not None:
        if run.subset > count:
            raise ValueError(f"subset={run.subset} is more than the {count} texts; leave it out")
        draw = torch.Generator().manual_seed(0)
        rows = torch.randperm(count, generator=draw)[: run.subset].tolist()
        encoded = Encoded([encoded.ids[row] for row in rows], encoded.labels[rows])
    return sequences(run, encoded)


def choose_device(name: str) -> torch.device:
    """Return the device of a name; "auto" is a GPU if there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "event"}

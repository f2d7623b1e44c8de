"""The directory of a run: what determines it, what it measured, where it stands.

``config.json``
    Everything that determines the result, and where it is computed.
``metrics.jsonl``
    One JSON object a line. Lines written after the last checkpoint are cut off on a restart, which
    measures them again.
``checkpoint.pt``
    All that a restart needs, in one file that is replaced as a whole.
``best.pt``
    The weights of the epoch with the best validation.
``result.json``
    There when the run is finished.

Reading executes nothing: weights are read with ``weights_only=True``, all else is JSON.
"""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import torch
from filelock import FileLock, Timeout
from torch import nn

from mdlib.files.atomic import whole_file

_FORMAT = 1


class RunDirectory:
    """The files of one run, held by one process at a time; without a path it keeps nothing.

    Of several processes that train together only the first one ``writes``.
    """

    def __init__(self, path: Path | None, writes: bool) -> None:
        self.path, self.writes = path, writes and path is not None
        self._lock: FileLock | None = None

    def __enter__(self) -> Self:
        if self.writes and self.path is not None:
            self.path.mkdir(parents=True, exist_ok=True)
            # The system drops the lock with the process, however it ends.
            self._lock = FileLock(self.path / ".lock", timeout=0)
            try:
                self._lock.acquire()
            except Timeout:
                raise RuntimeError(
                    f"another process is training in {self.path}; wait for it, or give this run "
                    "a directory of its own"
                ) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._lock.release()

    def begin(self, settings: Mapping[str, Any], provenance: Mapping[str, Any]) -> None:
        """Record what determines the run, or check that it is what was recorded.

        Raises
        ------
        ValueError
            If the directory was begun with other settings: they are named.
        """
        if self.path is None:
            return
        asked = json.loads(json.dumps({"settings": settings, "provenance": provenance}))
        file = self.path / "config.json"
        if not file.exists():
            if self.writes:
                self._write_json("config.json", asked)
            return
        begun = json.loads(file.read_text(encoding="utf-8"))
        if differences := list(_differences(begun["settings"], asked["settings"])):
            raise ValueError(
                f"{self.path} was begun with other settings: {'; '.join(differences)}; "
                "ask for the same, or give this run a directory of its own"
            )
        if moved := list(_differences(begun["provenance"], asked["provenance"])):
            warnings.warn(
                f"{self.path} was begun elsewhere ({'; '.join(moved)}): what is computed from here "
                "on may differ in the last digits from what it would have been there",
                stacklevel=2,
            )

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics."""
        if self.writes and self.path is not None:
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; the metrics that belong to it are on the disk before it is."""
        if not self.writes or self.path is None:
            return
        with (self.path / "metrics.jsonl").open("ab") as metrics:
            os.fsync(metrics.fileno())
            size = metrics.tell()
        with whole_file(self.path / "checkpoint.pt") as file:
            torch.save({**state, "metrics_size": size, "format": _FORMAT}, file)

    def restore(self) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return the last checkpoint and the metrics up to it, or None before the first.

        Raises
        ------
        ValueError
            If a file was changed by somebody else.
        """
        if self.path is None:
            return None
        metrics = self.path / "metrics.jsonl"
        if not (self.path / "checkpoint.pt").exists():
            if self.writes:
                metrics.unlink(missing_ok=True)
            return None
        state = _load(self.path / "checkpoint.pt")
        size = state["metrics_size"]
        kept = metrics.read_bytes()[:size] if metrics.exists() else b""
        if len(kept) < size:
            raise ValueError(
                f"{metrics} lost lines that its checkpoint counts; start again in a new directory"
            )
        if self.writes and metrics.exists():
            os.truncate(metrics, size)
        return state, [json.loads(line) for line in kept.splitlines()]

    def save_best(self, model: nn.Module) -> None:
        """Keep these weights as the best."""
        if self.writes and self.path is not None:
            with whole_file(self.path / "best.pt") as file:
                torch.save({"model": model.state_dict(), "format": _FORMAT}, file)

    def finish(self, result: Mapping[str, Any]) -> None:
        """Say that the run is finished."""
        if self.writes:
            self._write_json("result.json", result)

    def result(self) -> dict[str, Any] | None:
        """Return what `finish` recorded, or None if the run is not finished."""
        if self.path is None or not (self.path / "result.json").exists():
            return None
        found: dict[str, Any] = json.loads((self.path / "result.json").read_text(encoding="utf-8"))
        return found

    def _write_json(self, name: str, content: Mapping[str, Any]) -> None:
        assert self.path is not None
        # Before the file is opened: what JSON refuses leaves no part of one behind.
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        with whole_file(self.path / name) as file:
            file.write(text.encode())


def load_weights(
    model: nn.Module, directory: str | Path, which: Literal["last", "best"] = "last"
) -> None:
    """Give a model the weights of a run.

    Parameters
    ----------
    model : nn.Module
        Built as the one that was trained.
    directory : path
        The run's directory.
    which : {"last", "best"}
        The last weights, or those of the epoch with the best validation.

    Raises
    ------
    ValueError
        If the file holds no weights, or those of another model.
    FileNotFoundError
        If the run has no such weights.
    """
    if which not in ("last", "best"):
        raise ValueError(f"which must be last or best, got {which!r}")
    path = Path(directory) / ("best.pt" if which == "best" else "checkpoint.pt")
    if not path.exists():
        need = "a run with validation writes it" if which == "best" else "no run was begun there"
        raise FileNotFoundError(f"there is no {path}: {need}")
    loaded = _load(path)
    try:
        model.load_state_dict(loaded["model"])
    except RuntimeError as error:
        raise ValueError(f"{path} holds the weights of another model: {error}") from None


def _load(path: Path) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{path} is not a file that fit wrote, or is damaged: {error}") from None
    if not isinstance(loaded, dict) or loaded.get("format") != _FORMAT:
        raise ValueError(f"{path} was written by another version of mdlib; begin a new directory")
    return loaded


def _differences(begun: Any, asked: Any, name: str = "") -> Iterator[str]:
    """Each place where two trees of JSON differ, in words."""
    if isinstance(begun, list) and isinstance(asked, list):
        begun, asked = dict(enumerate(begun)), dict(enumerate(asked))
    if isinstance(begun, dict) and isinstance(asked, dict):
        for key in begun | asked:
            where = f"{name}.{key}" if name else str(key)
            yield from _differences(begun.get(key), asked.get(key), where)
    elif begun != asked:
        yield f"{name} was {begun!r}, now {asked!r}"

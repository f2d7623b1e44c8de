"""The folder of a run: what was asked, what was measured, where it stands, how it ended.

``run.json``
    What was asked: the run as plain values, or what `mdlib.train.fit` was given.
``metrics.jsonl``
    One JSON object a line. Lines written after the last checkpoint are cut off on a restart, which
    measures them again.
``checkpoint.pt``
    All that a restart needs, in one file that is replaced as a whole; and on what it is computed.
``best.pt``
    The weights of the epoch with the best validation.
``outcome.json``
    There when the run has ended: how, the result or the error, and where it was computed. What is
    asked of a trained run later, such as ``test.json``, has the same form.

Reading executes nothing: weights are read with ``weights_only=True``, all else is JSON.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import sys
import threading
import traceback
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import torch
from filelock import FileLock, Timeout
from torch import nn

from mdlib.files import provenance
from mdlib.files.atomic import whole_file
from mdlib.train.processes import Processes

Model = TypeVar("Model", bound=nn.Module)
Status = Literal["finished", "diverged", "failed"]
Which = Literal["last", "best"]

_FORMAT = 1
_NOT_OURS = (errno.EACCES, errno.EPERM, errno.EROFS)  # to write there
_HELD: set[tuple[Path, int]] = set()  # folders that are open here, and the threads that have them


class RunDirectory(os.PathLike[str]):
    """The files of one run, held by one process at a time: whoever runs the run opens it.

    Where nothing may be written, a run that has ended is read, by any number of processes.

    Of several processes that train together only the first one locks and writes; the others wait
    until it has opened the folder.

    Parameters
    ----------
    path : path
    asked : mapping
        What determines the run, as JSON can hold it.
    processes : Processes, optional
        Those that train together; one unless given.

    Raises
    ------
    ValueError
        On opening, if the folder was begun with something else: the differences are named.
    RuntimeError
        On opening, if this thread has opened it already and would wait for itself.
    """

    def __init__(
        self, path: str | Path, asked: Mapping[str, Any], processes: Processes | None = None
    ) -> None:
        self.path, self.asked = Path(path).expanduser(), asked
        self.processes = processes or Processes(0, 1, torch.device("cpu"))
        self.writes = self.processes.rank == 0
        self._lock: FileLock | None = None
        self._holder = self.path.absolute(), threading.get_ident()

    def __fspath__(self) -> str:
        return str(self.path)

    def __enter__(self) -> Self:
        if self.writes:
            self.path.mkdir(parents=True, exist_ok=True)
            try:
                self._lock = self._locked()
            except OSError as error:
                if error.errno not in _NOT_OURS or self.read("outcome") is None:
                    raise
                self.writes = False  # the run has ended, and is there to be read
        try:
            self.processes.wait()
            self._begin()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._lock.release()
            _HELD.discard(self._holder)

    def _locked(self) -> FileLock:
        if self._holder in _HELD:
            raise RuntimeError(f"{self.path} is open here already; pass on the open RunDirectory")
        # The system drops the lock with the process, however it ends. One that only seems to be
        # lost keeps it.
        lock = FileLock(self.path / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"another process is at the run {self.path}, waiting", file=sys.stderr)
            lock.acquire()
        _HELD.add(self._holder)
        return lock

    def _begin(self) -> None:
        """Write down what was asked, or check that it is what was asked before."""
        text = described(self.asked)
        asked, begun = json.loads(text), self.read("run")
        if begun is None and (old := self.read("config")) is not None:
            # Begun by `fit` when it wrote down more; the rest is in the checkpoint now.
            begun = {name: old["settings"].get(name) for name in asked}
        if begun is None:
            if self.writes:
                self._write("run.json", text)
        elif found := list(differences(begun, asked)):
            raise ValueError(
                f"{self.path} was begun with other settings: {'; '.join(found)}; "
                "ask for the same, or give this run a directory of its own"
            )

    def read(self, name: str) -> dict[str, Any] | None:
        """Return what a JSON file of the folder holds, such as "outcome"; None without the file.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        path = self.path / f"{name}.json"
        if not path.exists():
            return None
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path} is damaged ({error}); remove it") from None
        return found

    def conclude(
        self,
        name: str,
        status: Status,
        result: Any = None,
        *,
        error: BaseException | None = None,
        started: float | None = None,
        command: str | None = None,
    ) -> dict[str, Any]:
        """Record how the run ended under a name, with where it was computed; return the record.

        Raises
        ------
        TypeError, ValueError
            If JSON cannot hold the result.
        """
        content = {
            "status": status,
            "result": result,
            "error": None if error is None else f"{type(error).__name__}: {error}",
            "provenance": {
                **provenance.collect(command or provenance.command(), started, "torch", "numpy"),
                "host": socket.gethostname(),
            },
        }
        trace = {"traceback": error and traceback.format_exception(error)}
        text = json.dumps(content | trace, indent=1, allow_nan=False) + "\n"
        if self.writes:
            self._write(f"{name}.json", text)
        return content

    def _write(self, name: str, text: str) -> None:
        with whole_file(self.path / name) as file:
            file.write(text.encode())

    def append(self, line: Mapping[str, Any]) -> None:
        """Add a line to the metrics."""
        if self.writes:
            with (self.path / "metrics.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")

    def save(self, state: Mapping[str, Any]) -> None:
        """Replace the checkpoint; the metrics that belong to it are on the disk before it is."""
        if not self.writes:
            return
        with (self.path / "metrics.jsonl").open("ab") as metrics:
            os.fsync(metrics.fileno())
        lines = (self.path / "metrics.jsonl").read_bytes()
        about = {"metrics_size": len(lines), "metrics_crc": zlib.crc32(lines), "format": _FORMAT}
        with whole_file(self.path / "checkpoint.pt") as file:
            torch.save({**state, **about}, file)

    def restore(self) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return the last checkpoint and the metrics up to it, or None before the first.

        Raises
        ------
        ValueError
            If a file is damaged, or was changed by somebody else.
        """
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
        if state.get("metrics_crc", found := zlib.crc32(kept)) != found:
            raise ValueError(
                f"{metrics} is not what its checkpoint counts; start again in a new directory"
            )
        if self.writes and metrics.exists():
            os.truncate(metrics, size)
        return state, [json.loads(line) for line in kept.splitlines()]

    def save_best(self, model: nn.Module) -> None:
        """Keep these weights as the best."""
        if self.writes:
            with whole_file(self.path / "best.pt") as file:
                torch.save({"model": model.state_dict(), "format": _FORMAT}, file)


def described(asked: Mapping[str, Any]) -> str:
    """Return what was asked as the text of ``run.json``.

    Raises
    ------
    TypeError, ValueError
        If JSON cannot hold it, or a number in it is not finite.
    """
    return json.dumps(asked, indent=1, sort_keys=True, allow_nan=False) + "\n"


def load_weights(model: Model, directory: str | os.PathLike[str], which: Which = "last") -> Model:
    """Give a model the weights of a run; return the model.

    Parameters
    ----------
    model : nn.Module
        Built as the one that was trained; either of them may be compiled.
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
    path = Path(directory).expanduser() / ("best.pt" if which == "best" else "checkpoint.pt")
    if not path.exists():
        need = "a run with validation writes it" if which == "best" else "no run was begun there"
        raise FileNotFoundError(f"there is no {path}: {need}")
    loaded = _load(path)
    names = {_uncompiled(name): name for name in model.state_dict()}
    weights = {
        names.get(_uncompiled(name), name): weight for name, weight in loaded["model"].items()
    }
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(f"{path} holds the weights of another model: {error}") from None
    return model


def _uncompiled(name: str) -> str:
    """The name that a weight has without `torch.compile`, which wraps modules in others."""
    return name.replace("_orig_mod.", "")


def _load(path: Path) -> dict[str, Any]:
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not compare the checksums
            if (bad := archive.testzip()) is not None:
                raise zipfile.BadZipFile(f"{bad} has another checksum")
        loaded: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged archive can make Python and torch raise anything
        raise ValueError(f"{path} is not a file that fit wrote, or is damaged: {error}") from None
    if not isinstance(loaded, dict) or loaded.get("format") != _FORMAT:
        raise ValueError(f"{path} was written by another version of mdlib; begin a new directory")
    return loaded


def differences(begun: Any, asked: Any, name: str = "") -> Iterator[str]:
    """Each place where two trees of JSON differ, in words.

    Examples
    --------
    >>> list(differences({"lr": 0.1, "sizes": [4, 8]}, {"lr": 0.1, "sizes": [4, 9]}))
    ['sizes.1 was 8, now 9']
    """
    if isinstance(begun, list) and isinstance(asked, list):
        begun, asked = dict(enumerate(begun)), dict(enumerate(asked))
    if isinstance(begun, dict) and isinstance(asked, dict):
        for key in begun | asked:
            where = f"{name}.{key}" if name else str(key)
            yield from differences(begun.get(key), asked.get(key), where)
    elif begun != asked:
        yield f"{name} was {begun!r}, now {asked!r}"

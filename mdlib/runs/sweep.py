"""Many runs, each done once: named by what it is, recorded in a folder of its own.

A run is a frozen dataclass of plain values; what it is executed with is a function that takes the
run and its directory and returns what JSON can hold. In ``folder/NAME/`` are

``run.json``
    What the run is. NAME is a hash of it.
``outcome.json``
    There when the run has ended: how, the result or the error, and where it was computed.

and what the function keeps there, such as the checkpoints of `mdlib.train.fit`, with which a run
that lost its process goes on in another.
"""

from __future__ import annotations

import hashlib
import json
import shlex
import socket
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from tqdm import tqdm

from mdlib.files import provenance
from mdlib.files.atomic import whole_file
from mdlib.runs.pools import LostWorkerError, check_scheduler, check_workers, on_cluster, on_this_machine

Execute = Callable[[Any, Path], Any]
Status = Literal["finished", "diverged", "failed"]

# Training draws from the process's one generator, so threads of one worker take turns.
_TURN = threading.Lock()


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes
    ----------
    run : dataclass
    directory : Path
    status : {"finished", "diverged", "failed"}
        Diverged: it raised FloatingPointError, as `mdlib.train.fit` does at the first number that
        is not finite. That is a result, and kept. Failed: it raised another error, or its workers
        were lost; the next sweep tries again.
    result : object
        What was returned, None unless finished.
    error : str or None
        The class and the message of what was raised.
    provenance : dict
        Command, date, wall seconds of the last attempt, host, hardware, versions, commit.
    """

    run: Any
    directory: Path
    status: Status
    result: Any
    error: str | None
    provenance: dict[str, Any]


def sweep(
    runs: Iterable[Any],
    execute: Execute,
    folder: str | Path,
    *,
    record: str = "outcome",
    workers: int | None = None,
    scheduler: str | None = None,
    progress: bool | None = None,
) -> list[Outcome]:
    """Execute all runs that are not done, several at a time; return how each one ended.

    A run that raises is recorded and stops no other. If its process or machine is lost, it is
    executed again in the same directory; stopped and called again, a sweep goes on. Two sweeps may
    share a folder: a run that one of them is at, the other waits for.

    Parameters
    ----------
    runs : iterable of dataclasses
        Equal ones are executed once.
    execute : function
        From a run and its directory, which is there, to what JSON can hold. Other processes have
        to be able to import it.
    folder : path
        With a cluster, one that all its workers see under the same path.
    record : str
        Under which name to look for and write the outcome. A second sweep over the same runs with
        another function, such as a final test, has a name of its own.
    workers : int, optional
        Processes on this machine, one thread each; by default one for each core. With 1 the runs
        are executed in this process.
    scheduler : str, optional
        Address of a Dask scheduler, such as ``tcp://10.0.0.1:8786``, to use its workers instead.
        Start them with ``dask worker ADDRESS --nthreads 1 --nworkers COUNT``: threads of one
        worker would take turns.
    progress : bool, optional
        Show a progress bar; by default on a terminal.

    Returns
    -------
    list of Outcome
        In the order of the runs.

    Raises
    ------
    TypeError
        If a run is no dataclass of plain values.
    ValueError
        For workers below 1 or given along with a scheduler.
    ConnectionError
        If no scheduler answers.
    FileNotFoundError
        If a worker of the cluster does not see the folder.
    ModuleNotFoundError
        If a scheduler is named and Dask is not installed.

    Examples
    --------
    >>> import tempfile
    >>> @dataclass(frozen=True)
    ... class Division:
    ...     a: float
    ...     b: float
    >>> def divide(run, directory):
    ...     return run.a / run.b
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ends = sweep([Division(1.0, 2.0), Division(1.0, 0.0)], divide, folder, workers=1)
    >>> [(end.status, end.result, end.error) for end in ends]
    [('finished', 0.5, None), ('failed', None, 'ZeroDivisionError: float division by zero')]
    """
    if scheduler is not None and workers is not None:
        raise ValueError(
            f"workers={workers} counts processes on this machine, and the cluster at {scheduler} "
            "has its own; give one of the two"
        )
    if scheduler is None:
        check_workers(workers)
    else:
        check_scheduler(scheduler)
    folder = Path(folder).resolve()
    runs = list(runs)
    named = {run_directory(run, folder): run for run in runs}
    outcomes = {path: end for path in named if (end := _done(named[path], path, record))}
    tasks = [(run, path) for path, run in named.items() if path not in outcomes]
    for run, path in tasks:
        _begin(run, path)
    # What the outcome says of the command is true of the sweep, not of the worker's process.
    call = partial(_perform, execute=execute, record=record, command=_command())
    ended = (
        on_this_machine(call, tasks, workers)
        if scheduler is None
        else on_cluster(call, tasks, scheduler)
    )
    silent = None if progress is None else not progress
    with tqdm(total=len(named), initial=len(named) - len(tasks), unit="run", disable=silent) as bar:
        for number, outcome in ended:
            run, path = tasks[number]
            if isinstance(outcome, LostWorkerError):
                outcome = _write(run, path, record, "failed", error=outcome, command=_command())
            outcomes[path] = outcome
            bar.update()
    return [outcomes[run_directory(run, folder)] for run in runs]


def perform(run: Any, execute: Execute, folder: str | Path, *, record: str = "outcome") -> Outcome:
    """Execute one run in this process, unless it is done; as `sweep` does with each."""
    path = run_directory(run, Path(folder).resolve())
    _begin(run, path)
    return _perform((run, path), execute, record, _command())


def make_folder(folder: str | Path) -> None:
    """Make the folder of runs, and see that it can be written to.

    Raises
    ------
    OSError
        If not.
    """
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"folder {str(folder)!r} cannot be made or written to: {error.strerror}; name another"
        ) from None


def run_directory(run: Any, folder: str | Path) -> Path:
    """Return where a run's files are, named by a hash of its class and its values.

    Raises
    ------
    TypeError
        If the run is no dataclass of values that JSON can hold.

    Examples
    --------
    >>> @dataclass(frozen=True)
    ... class Division:
    ...     a: float
    ...     b: float
    >>> run_directory(Division(1.0, 2.0), "divisions").name
    '0e52a8e40b5cdac3'
    """
    return Path(folder) / hashlib.sha256(_description(run).encode()).hexdigest()[:16]


def _description(run: Any) -> str:
    if not is_dataclass(run) or isinstance(run, type):
        raise TypeError(f"a run must be a dataclass such as SentimentRun(...), got {run!r}")
    try:
        what = {"kind": type(run).__name__, **asdict(run)}
        return json.dumps(what, indent=1, sort_keys=True, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        raise TypeError(f"a run must hold plain finite values only, got {run!r}: {error}") from None


def _begin(run: Any, directory: Path) -> None:
    """Write down what the run is."""
    if (directory / "run.json").exists():
        return
    directory.mkdir(parents=True, exist_ok=True)
    with _turn(directory), whole_file(directory / "run.json") as file:
        file.write(_description(run).encode())


@contextmanager
def _turn(directory: Path) -> Iterator[None]:
    """Hold the run's lock; say so if another process has it."""
    # The system drops the lock with the process. One that only seems to be lost keeps it.
    lock = FileLock(directory / ".turn")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        print(f"another process is at the run {directory}, waiting", file=sys.stderr)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _perform(task: tuple[Any, Path], execute: Execute, record: str, command: str) -> Outcome:
    run, directory = task
    if not (directory / "run.json").exists():
        raise FileNotFoundError(
            f"{directory} is not to be seen on {socket.gethostname()}; "
            "name a folder that all workers share"
        )
    with _TURN, _turn(directory):
        if done := _done(run, directory, record):
            return done
        started = time.time()
        write = partial(_write, run, directory, record, command=command, started=started)
        try:
            result = execute(run, directory)
            return write("finished", result=json.loads(json.dumps(result, allow_nan=False)))
        except FloatingPointError as error:
            return write("diverged", error=error)
        except Exception as error:
            return write("failed", error=error)


def _write(
    run: Any,
    directory: Path,
    record: str,
    status: Status,
    *,
    command: str,
    started: float | None = None,
    result: Any = None,
    error: Exception | None = None,
) -> Outcome:
    content = {
        "status": status,
        "result": result,
        "error": None if error is None else f"{type(error).__name__}: {error}",
        "provenance": {
            **provenance.collect(command, started, "torch", "numpy"),
            "host": socket.gethostname(),
        },
    }
    trace = {"traceback": error and traceback.format_exception(error)}
    with whole_file(directory / f"{record}.json") as file:
        file.write((json.dumps(content | trace, indent=1, allow_nan=False) + "\n").encode())
    return Outcome(run, directory, **content)


def _done(run: Any, directory: Path, record: str) -> Outcome | None:
    """What is recorded, unless the run is to be tried (again)."""
    path = directory / f"{record}.json"
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        del found["traceback"]
        outcome = Outcome(run, directory, **found)
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path} is no outcome that a sweep wrote; remove it") from None
    return None if outcome.status == "failed" else outcome


def _command() -> str:
    program, *arguments = sys.argv
    if Path(program).name == "__main__.py":
        program = f"-m {Path(program).parent.name}"
    return f"python {program} {shlex.join(arguments)}".rstrip()

"""Many runs, each done once: named by what it is, recorded in a folder of its own.

A run is a frozen dataclass of plain values; what it is executed with is a function that takes the
run and its open `mdlib.train.RunDirectory` and returns what JSON can hold. The folder of a run is
``folder/NAME/``, NAME a hash of what it is; there ``outcome.json`` says how it ended, and the
function keeps its own files, such as the checkpoints of `mdlib.train.fit`, with which a run that
lost its process goes on in another.
"""

from __future__ import annotations

import json
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from mdlib.files import provenance
from mdlib.runs.pools import (
    LostWorkerError,
    check_scheduler,
    check_workers,
    on_cluster,
    on_this_machine,
)
from mdlib.runs.run import describe_run, run_directory
from mdlib.runs.schema import plain
from mdlib.runs.training import choose_device
from mdlib.train.directory import RunDirectory, Status
from mdlib.train.processes import is_first, join, started_together

Execute = Callable[[Any, RunDirectory], Any]

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
    command: str | None = None,
) -> list[Outcome]:
    """Execute all runs that are not done, several at a time; return how each one ended.

    A run that raises or exits is recorded and stops no other. If its process or machine is lost, it
    is executed again in the same directory; stopped and called again, a sweep goes on. Two sweeps
    may share a folder: a run that one of them is at, the other waits for.

    Started by torchrun, all processes train each run as one, one run after the other.

    Parameters
    ----------
    runs : iterable of dataclasses
        Equal ones are executed once.
    execute : function
        From a run and its directory, which is open, to what JSON can hold, or to a dataclass of
        that, which the outcome has as a dict. Other processes have to be able to import it.
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
    command : str, optional
        The one that does all this again, for the record; by default that of this process.

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
    together = started_together() > 1
    if together and (scheduler is not None or workers not in (None, 1)):
        raise ValueError(
            "the processes that torchrun started train each run together: leave out workers and "
            "scheduler"
        )
    if scheduler is None:
        workers = 1 if together else workers
        check_workers(workers)
    else:
        check_scheduler(scheduler)
    folder, runs = Path(folder).expanduser().resolve(), list(runs)
    named = {run_directory(run, folder): run for run in runs}
    places = {path: RunDirectory(path, describe_run(run)) for path, run in named.items()}
    outcomes = {path: end for path in named if (end := _done(named[path], places[path], record))}
    tasks = [(run, path) for path, run in named.items() if path not in outcomes]
    for _, path in tasks:
        path.mkdir(parents=True, exist_ok=True)
    # What the outcome says of the command is true of the sweep, not of the worker's process.
    command = command or provenance.command()
    call = partial(_perform, execute=execute, record=record, command=command)
    ended = (
        on_this_machine(call, tasks, workers)
        if scheduler is None
        else on_cluster(call, tasks, scheduler)
    )
    silent = (None if progress is None else not progress) if is_first() else True
    with tqdm(total=len(named), initial=len(named) - len(tasks), unit="run", disable=silent) as bar:
        for number, outcome in ended:
            run, path = tasks[number]
            if isinstance(outcome, LostWorkerError):
                lost = places[path].conclude(record, "failed", error=outcome, command=command)
                outcome = Outcome(run, path, **lost)
            outcomes[path] = outcome
            bar.update()
    return [outcomes[run_directory(run, folder)] for run in runs]


def make_folder(folder: str | Path) -> None:
    """Make the folder of runs, and see that it can be written to.

    Raises
    ------
    OSError
        If not.
    """
    try:
        path = Path(folder).expanduser()
        path.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=path).close()
    except OSError as error:
        raise OSError(
            f"folder {str(folder)!r} cannot be made or written to: {error.strerror}; name another"
        ) from None


def _perform(task: tuple[Any, Path], execute: Execute, record: str, command: str | None) -> Outcome:
    run, path = task
    if not path.is_dir():
        raise FileNotFoundError(
            f"{path} is not to be seen on {socket.gethostname()}; "
            "name a folder that all workers share"
        )
    processes = join(choose_device("auto"))
    with _TURN, RunDirectory(path, describe_run(run), processes) as directory:
        if done := _done(run, directory, record):
            return done
        end = partial(directory.conclude, record, started=time.time(), command=command)
        try:
            content = end("finished", plain(execute(run, directory)))
        except FloatingPointError as error:
            content = end("diverged", error=error)
        except (Exception, SystemExit) as error:  # a script's sys.exit ends its own run only
            content = end("failed", error=error)
    return Outcome(run, path, **json.loads(json.dumps(content)))


def _done(run: Any, directory: RunDirectory, record: str) -> Outcome | None:
    """What is recorded, unless the run is to be tried (again)."""
    found = directory.read(record)
    if found is None:
        return None
    try:
        del found["traceback"]
        outcome = Outcome(run, directory.path, **found)
    except (KeyError, TypeError):
        raise ValueError(
            f"{directory.path / record}.json is no outcome of a run; remove it"
        ) from None
    return None if outcome.status == "failed" else outcome

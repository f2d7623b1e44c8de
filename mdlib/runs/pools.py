"""Many calls at once: in processes of this machine through loky, or on a Dask cluster.

Both yield each result as it comes. A worker that is lost, killed for its memory or with its whole
machine, costs what it was computing: that call is made again elsewhere, so a call should find what
it had done so far. Only a call that loses its worker again is given up.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from typing import Any

from loky import ProcessPoolExecutor, cpu_count
from loky.process_executor import BrokenProcessPool

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1"
)

Call = Callable[[Any], Any]


class LostWorkerError(RuntimeError):
    """A call that was given up, since each process that worked on it was killed."""


def on_this_machine(
    call: Call, items: Sequence[Any], workers: int | None = None
) -> Iterator[tuple[int, Any]]:
    """Call in processes of one thread each; yield the number of the item and what was returned.

    With one worker there is no other process: the calls are made here, one after the other, with
    as many threads as this process has.

    Parameters
    ----------
    call : function
        One that other processes can import.
    items : sequence
    workers : int, optional
        Processes at a time; by default one for each core.

    Yields
    ------
    int, object
        A `LostWorkerError` stands for the result of a call whose process was killed twice.

    Raises
    ------
    ValueError
        If workers is below 1.
    Exception
        What a call raises.

    Examples
    --------
    >>> sorted(on_this_machine(abs, [-3, 4], workers=1))
    [(0, 3), (1, 4)]
    """
    check_workers(workers)
    workers = cpu_count() if workers is None else workers
    if workers == 1:
        yield from ((number, call(item)) for number, item in enumerate(items))
        return
    # A pool that loses one of its processes loses all, so each process is a pool of its own.
    idle = [_process() for _ in range(min(workers, len(items)))]
    waiting, lost = deque(range(len(items))), Counter[int]()
    busy: dict[Any, tuple[Any, int]] = {}  # by the future result
    try:
        while waiting or busy:
            while waiting and idle:
                process, number = idle.pop(), waiting.popleft()
                busy[process.submit(call, items[number])] = process, number
            done, _ = wait(busy, return_when=FIRST_COMPLETED)
            for future in done:
                process, number = busy.pop(future)
                idle.append(process)
                try:
                    yield number, future.result()
                except BrokenProcessPool:
                    idle[-1] = _process()
                    lost[number] += 1
                    if lost[number] == 1:
                        waiting.appendleft(number)
                    else:
                        yield number, _given_up("its process was killed twice")
    finally:
        for process in idle:  # killed, one would leave its semaphores behind
            process.shutdown()
        for process, _ in busy.values():
            process.shutdown(kill_workers=True)


def on_cluster(call: Call, items: Sequence[Any], scheduler: str) -> Iterator[tuple[int, Any]]:
    """Call on the workers of a Dask cluster; otherwise as `on_this_machine`.

    Parameters
    ----------
    call : function
        One that the workers can import.
    items : sequence
    scheduler : str
        Address of the scheduler, such as ``tcp://10.0.0.1:8786``.

    Yields
    ------
    int, object
        A `LostWorkerError` for a call that lost more workers, twice, than the scheduler's
        ``distributed.scheduler.allowed-failures``, 3 unless it was told otherwise.

    Raises
    ------
    ModuleNotFoundError
        If Dask is not installed here.
    ConnectionError
        If no scheduler answers.
    Exception
        What a call raises.
    """
    with _connected(scheduler) as client:
        from distributed import KilledWorker, as_completed

        def submit(group: Sequence[tuple[int, Any]]) -> Generator[tuple[int, Any], None, list[int]]:
            # Impure: an equal call of another time would otherwise be the same task.
            futures = {client.submit(call, item, pure=False): number for number, item in group}
            lost = []
            for future in as_completed(futures, loop=client.loop):
                try:
                    yield futures[future], future.result()
                except KilledWorker:
                    lost.append(futures[future])
            return lost

        # Dask also counts the calls that only wait at a worker when another one kills it.
        for number in (yield from submit(list(enumerate(items)))):
            if (yield from submit([(number, items[number])])):
                yield number, _given_up("its workers were lost again and again")


def check_workers(workers: int | None) -> None:
    """Refuse a number of processes below 1, as `on_this_machine` does when the first is called."""
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")


def check_scheduler(scheduler: str) -> None:
    """Refuse a scheduler that does not answer, as `on_cluster` does when the first is called."""
    with _connected(scheduler):
        pass


@contextmanager
def _connected(scheduler: str) -> Iterator[Any]:
    try:
        from distributed import Client
        from distributed.comm.addressing import get_address_host_port
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a cluster needs Dask, here and on its workers: "
            "pip install 'attention-in-the-mirror[cluster]'"
        ) from error
    try:
        get_address_host_port(scheduler)  # a client would wait before it says what is wrong
        client = Client(scheduler, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ConnectionError(
            f"scheduler {scheduler!r} does not answer: {error}; give the address that it printed "
            "when it was started, such as tcp://10.0.0.1:8786"
        ) from None
    with client:
        yield client


def _process() -> Any:
    """A process of one thread that begins with its first call."""
    watch = {"initializer": _end_with, "initargs": (os.getpid(),)}
    return ProcessPoolExecutor(max_workers=1, env=_ONE_THREAD, **watch)


def _end_with(parent: int) -> None:
    """Have this process end when its parent has: killed, that one cannot stop it.

    Ctrl-C reaches both, and that one answers it.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _given_up(why: str) -> LostWorkerError:
    return LostWorkerError(f"{why}; was there enough memory?")

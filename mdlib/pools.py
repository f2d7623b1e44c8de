"""Many calls at once: in processes of this machine through joblib, or on a Dask cluster.

Both yield each result as it comes. A worker that is lost, killed for its memory or with its whole
machine, costs what it was computing: those calls are made again elsewhere, so a call should find
what it had done so far. Only a call that loses its worker again and again is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config
from joblib.externals.loky.process_executor import BrokenProcessPool

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
        A `LostWorkerError` stands for the result of a call that ended its process even when it
        was alone.

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
    workers = cpu_count() if workers is None else workers
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    left, alone = list(enumerate(items)), False
    while left:
        lost = dict(left)
        for group in [[one] for one in left] if alone else [left]:
            try:
                # A single call beside one worker would be made in this process.
                for number, result in _in_processes(call, group, max(workers, 1 + alone)):
                    del lost[number]
                    yield number, result
            except BrokenProcessPool:
                pass  # the pool is gone, and which process broke it is not known
        if alone:
            yield from ((number, _given_up("its process was killed twice")) for number in lost)
            return
        alone = len(lost) == len(left)
        left = list(lost.items())


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
    OSError
        If no scheduler answers.
    Exception
        What a call raises.
    """
    try:
        from distributed import Client, KilledWorker, as_completed
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a cluster needs Dask, here and on its workers: "
            "pip install 'attention-in-the-mirror[cluster]'"
        ) from error
    with Client(scheduler, set_as_default=False) as client:

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


def _in_processes(
    call: Call, group: Sequence[tuple[int, Any]], workers: int
) -> Iterator[tuple[int, Any]]:
    if workers == 1:
        yield from ((number, call(item)) for number, item in group)
        return
    with parallel_config(backend="loky", inner_max_num_threads=1):
        pool = Parallel(n_jobs=workers, batch_size=1, return_as="generator_unordered")
        yield from pool(delayed(_numbered)(call, *one) for one in group)


def _numbered(call: Call, number: int, item: Any) -> tuple[int, Any]:
    return number, call(item)


def _given_up(why: str) -> LostWorkerError:
    return LostWorkerError(f"{why}; was there enough memory?")

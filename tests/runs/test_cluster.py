"""A real Dask cluster on this machine, one of whose workers is killed in the middle of a run."""

import logging
import os
import signal
import sys
import threading
import time

import dask
import pytest
from distributed import LocalCluster

from mdlib.runs import run_directory, sweep
from tests.support.chores import Chore, do, fail, slow_train, starts, train

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


@pytest.fixture(scope="module")
def cluster():
    """Two processes; a task may lose one of them, not two."""
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


def kill_in_the_middle(directory, killed):
    """Once the run has saved some steps, kill the process that it is in."""
    metrics = directory / "metrics.jsonl"
    until = time.monotonic() + 600  # a worker first imports torch, on a busy machine slowly
    while not (metrics.exists() and metrics.read_bytes().count(b"\n") >= 2):
        assert time.monotonic() < until
        time.sleep(0.02)
    pid = int(starts(directory)[0].split()[0])
    assert pid != os.getpid()
    os.kill(pid, signal.SIGKILL)
    killed.append(pid)


def test_a_killed_worker_costs_only_its_run_which_goes_on_elsewhere(cluster, tmp_path):
    scheduler = cluster.scheduler_address
    runs = [Chore(number) for number in range(3)]
    victim = run_directory(runs[1], tmp_path / "cluster")
    killed = []
    killer = threading.Thread(target=kill_in_the_middle, args=(victim, killed))
    killer.start()
    ends = sweep(runs, slow_train, tmp_path / "cluster", scheduler=scheduler)
    killer.join()
    assert [end.status for end in ends] == ["finished"] * 3
    first, second = starts(victim)
    assert first == f"{killed[0]} begins"
    assert second.endswith("goes on")
    assert not second.startswith(f"{killed[0]} ")
    assert [len(starts(end.directory)) for end in ends] == [1, 2, 1]
    # Bit for bit what it would have been here, in one piece.
    whole = sweep(runs[:2], train, tmp_path / "here", workers=1)
    assert [end.result for end in whole] == [end.result for end in ends[:2]]
    assert sweep(runs, fail, tmp_path / "cluster", scheduler=scheduler) == ends


def test_a_run_that_kills_every_worker_is_given_up(cluster, tmp_path):
    cluster.scheduler.allowed_failures = 0  # so that it kills two, not four
    runs = [Chore(0, "kills"), Chore(1, "raises"), *map(Chore, range(2, 8))]
    ends = sweep(runs, do, tmp_path, scheduler=cluster.scheduler_address)
    assert [end.status for end in ends] == ["failed", "failed"] + ["finished"] * 6
    assert ends[0].error.startswith("LostWorkerError")
    assert len(starts(ends[0].directory)) == 2
    assert ends[1].error == "OSError: the disk is full"
    # A finished run whose worker was killed afterwards is not done again.
    assert [len(starts(end.directory)) for end in ends[2:]] == [1] * 6


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "foo", "http://x:1", "tcp://x:y", ""])
def test_no_scheduler_is_an_error_of_the_network_and_leaves_nothing(address, tmp_path):
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.5s"}),
        pytest.raises(ConnectionError) as caught,
    ):
        sweep([Chore(0)], do, tmp_path, scheduler=address)
    assert f"scheduler {address!r} does not answer: " in str(caught.value)
    assert "such as tcp://10.0.0.1:8786" in str(caught.value)
    assert list(tmp_path.iterdir()) == []

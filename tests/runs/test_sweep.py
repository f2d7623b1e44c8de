"""A sweep does each run once, whatever becomes of the others and of the processes."""

import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st

from mdlib.runs import run_directory, sweep
from mdlib.runs.run import describe_run
from mdlib.runs.sweep import _perform
from mdlib.studies.images import VisionRun
from mdlib.train import RunDirectory
from tests.support.chores import Chore, do, fail, starts, undo

HANGS = 600  # seconds: a guard against a hang, far beyond what a busy machine needs
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")


def chores(*hows):
    return [Chore(number, how) for number, how in enumerate(hows)]


def ended(ends):
    return [end.status for end in ends]


def perform(run, execute, folder):
    """One run, in this process."""
    return sweep([run], execute, folder, workers=1)[0]


def counts(ends):
    return [len(starts(end.directory)) for end in ends]


def test_finished_runs_are_never_repeated(tmp_path):
    runs = chores(*["works"] * 4)
    first = sweep(runs[:3], do, tmp_path, workers=1)
    assert ended(first) == ["finished"] * 3
    assert [end.result[0] for end in first] == [0, 1, 2]
    again = sweep(runs, do, tmp_path, workers=1)
    assert again[:3] == first
    assert counts(again) == [1, 1, 1, 1]
    assert sweep(runs, fail, tmp_path, workers=1) == again


def test_ends_are_in_the_order_of_the_runs_and_equal_runs_are_one(tmp_path):
    runs = [Chore(2), Chore(1), Chore(2), Chore(0), Chore(1)]
    ends = sweep(runs, do, tmp_path, workers=1)
    assert [end.run for end in ends] == runs
    assert [end.result[0] for end in ends] == [2, 1, 2, 0, 1]
    assert counts(ends) == [1] * 5
    assert len(list(tmp_path.iterdir())) == 3


def test_a_run_that_raises_is_recorded_and_stops_no_other(tmp_path):
    hows = ("diverges", "works", "raises", "works", "returns nan", "works", "exits", "works")
    ends = sweep(chores(*hows), do, tmp_path, workers=1)
    ok = "finished"
    assert ended(ends) == ["diverged", ok, "failed", ok, "failed", ok, "failed", ok]
    assert ends[0].error == "FloatingPointError: the loss is nan at step 7"
    assert ends[2].error == "OSError: the disk is full"
    assert ends[4].error == "ValueError: loss is nan, and JSON holds finite numbers only"
    assert ends[6].error == "SystemExit: 3"
    assert all(end.result is None for end in ends[::2])
    assert all(end.error is None for end in ends[1::2])
    recorded = json.loads((ends[2].directory / "outcome.json").read_text())
    assert "in do\n" in "".join(recorded["traceback"])


def test_numbers_of_other_libraries_are_recorded_as_numbers(tmp_path):
    found = {"loss": np.float32(0.5), "steps": torch.tensor(3), "rows": (np.arange(2), [None])}
    end = perform(Chore(0), lambda *_: found, tmp_path)
    assert end.error is None
    assert end.result == {"loss": 0.5, "steps": 3, "rows": [[0, 1], [None]]}


def test_failed_runs_are_tried_again_and_diverged_ones_are_not(tmp_path):
    runs = chores("diverges", "raises at first", "raises")
    assert ended(sweep(runs, do, tmp_path, workers=1)) == ["diverged", "failed", "failed"]
    ends = sweep(runs, do, tmp_path, workers=1)
    assert ended(ends) == ["diverged", "finished", "failed"]
    assert counts(ends) == [1, 2, 2]
    assert ends[1].error is None


@posix
def test_a_killed_process_costs_only_its_run(tmp_path, monkeypatch):
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "2")  # workers have one thread each all the same
    runs = chores("works", "kills", "raises", "kills at first", "diverges", "works")
    ends = sweep(runs, do, tmp_path, workers=2)
    ok = "finished"
    assert ended(ends) == [ok, "failed", "failed", ok, "diverged", ok]
    assert [end.result for end in ends if end.result] == [[0, 1], [3, 1], [5, 1]]
    assert ends[1].error.startswith("LostWorkerError: its process was killed twice")
    assert ends[2].error == "OSError: the disk is full"
    assert counts(ends) == [1, 2, 1, 2, 1, 1]


def sweep_elsewhere(folder, how, **options):
    """Two chores in a process of their own, as the command line starts it."""
    code = (
        "import signal\n"
        "from tests.support.chores import Chore, do\n"
        "from mdlib.runs.sweep import sweep\n"
        # What a shell starts in the background ignores Ctrl-C, and so would its children.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"sweep([Chore(0, {how!r}), Chore(1, {how!r})], do, {str(folder)!r}, workers=2)"
    )
    path = os.pathsep.join(sys.path)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        **options,
    )


def wait_for_workers(process, folder):
    """The two processes that are at the chores, once they are."""
    while len(files := list(folder.glob("*/starts"))) < 2 or not all(
        starts(f.parent) for f in files
    ):
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.1)
    return [int(starts(file.parent)[0]) for file in files]


def wait_until_ended(workers):
    deadline = time.monotonic() + HANGS
    while any(map(alive, workers)):
        assert time.monotonic() < deadline, workers
        time.sleep(0.1)


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


@posix
def test_processes_end_with_a_sweep_that_is_killed(tmp_path):
    with sweep_elsewhere(tmp_path, "never ends") as process:
        workers = wait_for_workers(process, tmp_path)
        process.kill()
    wait_until_ended(workers)


def test_a_second_function_has_a_record_of_its_own(tmp_path):
    runs = chores("works", "works")
    first = sweep(runs, do, tmp_path, workers=1)
    second = sweep(runs, undo, tmp_path, record="undone", workers=1)
    assert [end.result for end in second] == [0, -1]
    assert sweep(runs, fail, tmp_path, workers=1) == first
    assert sweep(runs, fail, tmp_path, record="undone", workers=1) == second


def test_a_single_run_and_a_sweep_know_of_each_other(tmp_path):
    one = perform(Chore(5), do, tmp_path)
    assert one.result[0] == 5
    assert sweep([Chore(5)], fail, tmp_path, workers=1) == [one]
    assert perform(Chore(5), fail, tmp_path) == one


def sweep_fifty(folder):
    sweep(chores(*["works"] * 50), do, folder, workers=1)


def test_two_sweeps_at_a_time_share_the_work(tmp_path):
    context = multiprocessing.get_context("spawn")
    other = context.Process(target=sweep_fifty, args=(tmp_path,))
    other.start()
    while not list(tmp_path.glob("*/starts")):
        assert other.exitcode in (None, 0)
        time.sleep(0.001)
    ends = sweep(chores(*["works"] * 50), do, tmp_path, workers=1)
    other.join()
    assert other.exitcode == 0
    assert ended(ends) == ["finished"] * 50
    assert counts(ends) == [1] * 50


def test_a_process_that_waits_for_another_says_so(tmp_path, capsys):
    directory = run_directory(Chore(0), tmp_path)
    perform(Chore(0, "raises"), do, tmp_path)
    assert capsys.readouterr().err == ""
    directory.mkdir()
    other = FileLock(directory / ".lock")
    with ThreadPoolExecutor(1) as threads:
        with other:
            end = threads.submit(perform, Chore(0), do, tmp_path)
            deadline = time.monotonic() + HANGS
            while not (said := capsys.readouterr().err):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            assert said == f"another process is at the run {directory}, waiting\n"
            assert not end.done()
        assert end.result().status == "finished"


@posix
def test_ctrl_c_ends_a_sweep_and_its_processes_without_their_tracebacks(tmp_path):
    with sweep_elsewhere(tmp_path, "never ends", start_new_session=True) as process:
        workers = wait_for_workers(process, tmp_path)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        try:
            _, err = process.communicate(timeout=HANGS)
        finally:
            process.kill()
    assert err.count(b"Traceback") == err.count(b"KeyboardInterrupt") == 1
    wait_until_ended(workers)


def test_threads_of_one_process_take_turns(tmp_path):
    inside, most = [], []

    def stay(run, directory):
        inside.append(run)
        most.append(len(inside))
        time.sleep(0.01)
        inside.remove(run)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda run: perform(run, stay, tmp_path), map(Chore, range(8))))
    assert most == [1] * 8


def test_what_a_run_is_and_where_it_was_done_is_written_down(tmp_path):
    end = sweep([Chore(3)], do, tmp_path, workers=1, command="python -m mdlib run text")[0]
    described = json.loads((end.directory / "run.json").read_text())
    assert described == {"kind": "Chore", "number": 3, "how": "works"}
    assert end.provenance["command"] == "python -m mdlib run text"
    assert end.provenance["versions"]["numpy"] == np.__version__
    assert {"date", "wall_seconds", "host", "hardware", "commit"} < end.provenance.keys()
    assert sorted(path.name for path in end.directory.iterdir()) == [
        ".lock",
        "outcome.json",
        "run.json",
        "starts",
    ]


def test_a_folder_of_an_older_version_is_read(tmp_path):
    """Written at commit a5d0a4f, when fit had files of its own in a run's folder."""
    run = VisionRun.preset(
        "digits",
        p=2,
        lr=0.01,
        patch=4,
        layers=1,
        width=8,
        heads=2,
        hidden=8,
        epochs=2,
        subset=60,
        batch_size=20,
    )
    shutil.copytree(Path(__file__).parent / "old" / "run", run_directory(run, tmp_path))
    end, test = (
        sweep([run], fail, tmp_path, record=record, workers=1)[0] for record in ("outcome", "test")
    )
    assert (end.status, end.result["steps"], len(end.result["curve"])) == ("finished", 6, 2)
    assert test.result["best"]["accuracy"] == pytest.approx(0.1014, abs=1e-4)
    with RunDirectory(run_directory(run, tmp_path), describe_run(run)) as directory:
        assert directory.read("run") == describe_run(run)


@dataclass(frozen=True)
class Values:
    a: float
    b: str | None = None


@dataclass(frozen=True)
class Others:
    a: float
    b: str | None = None


values = st.builds(
    Values,
    a=st.floats(allow_nan=False, allow_infinity=False),
    b=st.none() | st.text(),
)


@given(one=values, other=values)
def test_a_name_tells_one_run_from_another(one, other):
    same = repr(one) == repr(other)  # 0.0 is not -0.0
    assert (run_directory(one, "x") == run_directory(other, "x")) == same
    assert run_directory(one, "x") == run_directory(replace(one), "x")
    assert run_directory(one, "x") != run_directory(Others(one.a, one.b), "x")


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"a": 1}, "a run must be a dataclass"),
        (Values, "a run must be a dataclass"),
        (Values(float("nan")), "plain finite values"),
        (Values(object()), "plain finite values"),
    ],
)
def test_a_run_that_is_none_is_refused(run, message, tmp_path):
    with pytest.raises(TypeError, match=message):
        sweep([run], do, tmp_path)


def test_a_damaged_outcome_is_named(tmp_path):
    (end,) = sweep([Chore(0)], do, tmp_path, workers=1)
    for content in ("", "{}", '{"status": "finished", "traceback": null}', "[]"):
        (end.directory / "outcome.json").write_text(content)
        with pytest.raises(ValueError, match=r"outcome\.json is .*; remove it"):
            sweep([Chore(0)], do, tmp_path, workers=1)


def test_a_folder_that_a_worker_does_not_see_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="name a folder that all workers share"):
        _perform((Chore(0), tmp_path / "nowhere"), do, "outcome", None)


@pytest.mark.parametrize("options", [{"workers": 2}, {"scheduler": "tcp://127.0.0.1:1"}])
def test_processes_that_train_together_have_no_workers(options, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ValueError, match="leave out workers and scheduler"):
        sweep([Chore(0)], do, tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_workers_here_and_a_cluster_exclude_each_other(tmp_path):
    with pytest.raises(ValueError, match="workers=2 counts processes on this machine"):
        sweep([Chore(0)], do, tmp_path, workers=2, scheduler="tcp://127.0.0.1:1")


@pytest.mark.parametrize("workers", [0, -1])
def test_workers_below_one_are_refused(workers, tmp_path):
    with pytest.raises(ValueError, match=f"workers must be at least 1, got {workers}"):
        sweep([Chore(0)], do, tmp_path, workers=workers)
    assert list(tmp_path.iterdir()) == []


def test_without_dask_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install .*\[cluster\]"):
        sweep([Chore(0)], do, tmp_path, scheduler="tcp://127.0.0.1:1")


def test_progress_counts_runs(tmp_path, capsys):
    sweep(chores("works", "raises"), do, tmp_path, workers=1)
    assert capsys.readouterr().err == ""
    sweep(chores("works", "raises"), do, tmp_path, workers=1, progress=True)
    assert "2/2" in capsys.readouterr().err

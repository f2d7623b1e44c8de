"""A run that was killed at any moment ends, started again, with the bits it would have had."""

import errno
import json
import math
import multiprocessing
import os
import pickle
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import mdlib
from mdlib.data.text import Tokenizer
from mdlib.runs import run_directory, sweep
from mdlib.runs.sweep import make_folder
from mdlib.train import Arrays, fit, load_weights
from mdlib.train.directory import RunDirectory
from tests.support import small
from tests.support.chores import Chore, do

ROOT = Path(__file__).parents[2]
METRICS = "metrics.jsonl"
OLD = ROOT / "tests" / "runs" / "old"
posix = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")


def contents(directory):
    """Everything a run left, but for the time it took."""
    state = torch.load(directory / "checkpoint.pt", weights_only=True)
    state["place"].pop("seconds")
    outcome = json.loads((directory / "outcome.json").read_text())
    outcome["result"].pop("seconds")
    return {
        "state": state,
        "best": torch.load(directory / "best.pt", weights_only=True),
        "outcome": [outcome["status"], outcome["result"]],
        "metrics": (directory / "metrics.jsonl").read_bytes(),
        "run": (directory / "run.json").read_bytes(),
    }


def assert_same(left, right, where=""):
    """Bit for bit, NaN and all: floats by value, tensors by their bytes."""
    assert type(left) is type(right), where
    if isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for key in left:
            assert_same(left[key], right[key], f"{where}.{key}")
    elif isinstance(left, list):
        assert len(left) == len(right), where
        for i, pair in enumerate(zip(left, right, strict=True)):
            assert_same(*pair, f"{where}.{i}")
    elif isinstance(left, torch.Tensor):
        assert left.dtype == right.dtype, where
        assert torch.equal(left, right), where
    else:
        assert left == right, where


def kill(*arguments):
    """Run killing.py; return what it counted."""
    return int(
        subprocess.run(
            [sys.executable, "-m", "tests.support.killing", *map(str, arguments)],
            env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    )


def assert_all_as_whole(folder):
    whole = contents(folder / "whole")
    others = [directory for directory in folder.iterdir() if directory.name != "whole"]
    assert others
    for directory in others:
        assert_same(contents(directory), whole, directory.name)


@posix
def test_killed_at_random_moments(tmp_path, seed):
    assert kill("random", tmp_path, seed, 40) == 40
    assert_all_as_whole(tmp_path)


@posix
def test_killed_before_and_after_every_call_that_lasts(tmp_path):
    assert kill("calls", tmp_path) > 20
    assert_all_as_whole(tmp_path)
    assert not list(tmp_path.glob("*/*.part"))


class StoppedError(Exception):
    pass


class StopsAfter(small.Sequences):
    """Data that fails after so many batches, as a killed process would."""

    def __init__(self, data, batches):
        self.__dict__.update(data.__dict__)
        self.left = batches

    def collate(self, indices):
        if self.left == 0:
            raise StoppedError
        self.left -= 1
        return super().collate(indices)


OPTIMIZERS = {
    "sgd": lambda params: torch.optim.SGD(params, 0.05, momentum=0.9),
    "adam": lambda params: torch.optim.Adam(params, 1e-3),
    "adamw": lambda params: torch.optim.AdamW(params, 1e-3, weight_decay=0.1),
    "entropy": lambda params: mdlib.MirrorDescent(
        params, 0.01, mdlib.Hypentropy(0.1), weight_decay=0.1
    ),
}


@pytest.mark.parametrize("batches", [0, 7, 13])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_on(name, batches, tmp_path):
    data = small.sentences(61, seed=1)
    options = {"epochs": 2, "batch_size": 10, "checkpoint_steps": 3, "progress": False}

    def train(data, directory):
        model = small.classifier()
        return fit(
            model, data, OPTIMIZERS[name](model.parameters()), directory=directory, **options
        ), model

    whole, expected = train(data, tmp_path / "whole")
    with pytest.raises(StoppedError):
        train(StopsAfter(data, batches), tmp_path / "stopped")
    run, model = train(data, tmp_path / "stopped")
    assert run.metrics == whole.metrics
    assert_same(model.state_dict(), expected.state_dict())


@pytest.mark.parametrize("batches", [10, 17])  # in the second epoch of 7 steps, in the third
def test_patience_goes_on(batches, tmp_path):
    """At a rate of 0 no epoch is better than the first: with a patience of 2 the third is last."""

    def train(data, directory):
        model = small.classifier()
        optimizer = torch.optim.SGD(model.parameters(), 0.0)
        return small.train(directory, model, optimizer, data, epochs=9, patience=2)[0]

    data = small.sentences(61, seed=1)
    whole = train(data, tmp_path / "whole")
    assert (whole.stopped, whole.epochs) == ("patience", 3)
    with pytest.raises(StoppedError):
        train(StopsAfter(data, batches), tmp_path / "stopped")
    run = train(data, tmp_path / "stopped")
    assert (run.stopped, run.epochs, run.metrics) == ("patience", 3, whole.metrics)


def test_a_directory_changes_nothing(tmp_path):
    (kept, a), (bare, b) = small.train(tmp_path), small.train()
    assert kept.metrics == bare.metrics
    assert_same(a.state_dict(), b.state_dict())


@pytest.mark.parametrize("options", [{"checkpoint_steps": 1}, {"checkpoint_minutes": 0.0}])
def test_how_often_it_is_saved_changes_nothing(options, tmp_path):
    (often, a), (bare, b) = small.train(tmp_path, **options), small.train()
    assert often.metrics == bare.metrics
    assert_same(a.state_dict(), b.state_dict())


def test_the_file_of_metrics_is_the_metrics(tmp_path):
    run, _ = small.train(tmp_path)
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == run.metrics


# ---- a finished run -----------------------------------------------------------------------------


def test_a_finished_run_is_not_repeated(tmp_path):
    first, model = small.train(tmp_path)
    before = contents(tmp_path)
    untouched = StopsAfter(small.sentences(61, seed=1), 0)
    other = small.classifier(seed=1)
    optimizer = mdlib.MirrorDescent(other.parameters(), 0.01, mdlib.LpPotential(1.5), momentum=0.9)
    again, _ = small.train(tmp_path, other, optimizer, data=untouched)
    assert again == first
    assert_same(other.state_dict(), model.state_dict())
    assert_same(contents(tmp_path), before)


def test_the_best_weights_are_those_of_the_best_validation(tmp_path):
    run, model = small.train(tmp_path, epochs=6)
    epochs = [line for line in run.metrics if line["event"] == "epoch"]
    merit = [(line["validation_accuracy"], -line["validation_loss"]) for line in epochs]
    assert run.best == epochs[merit.index(max(merit))]
    load_weights(model, tmp_path, "best")
    found = mdlib.train.evaluate(model, small.sentences(30, seed=2), batch_size=10)
    assert found["loss"] == run.best["validation_loss"]
    load_weights(model, tmp_path)
    found = mdlib.train.evaluate(model, small.sentences(30, seed=2), batch_size=10)
    assert found["loss"] == epochs[-1]["validation_loss"]


# ---- what does not fit together is refused ------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"epochs": 4}, r"options\.epochs was 3, now 4"),
        ({"seed": 1}, r"options\.seed was 0, now 1"),
        ({"clip": None}, r"options\.clip was 20\.0, now None"),
        ({"model": "dropout"}, r"model\.\d+ was .*0\.2.*, now .*0\.1"),
        ({"optimizer": "lr"}, r"optimizer\.groups\.0\.lr was 0\.01, now 0\.02"),
        ({"optimizer": "potential"}, r"potential was 'LpPotential.*1\.5.*', now 'LpPotential.*3"),
        ({"validation": None}, r"validation was \{.*\}, now None"),
        ({"validation": "other"}, r"validation\.fingerprint was"),
    ],
    ids=str,
)
def test_other_settings_are_refused_and_named(changed, message, tmp_path):
    small.train(tmp_path)
    before = contents(tmp_path)
    model = small.classifier(dropout=0.1 if changed.get("model") else 0.2)
    lr = 0.02 if changed.get("optimizer") == "lr" else 0.01
    p = 3.0 if changed.get("optimizer") == "potential" else 1.5
    optimizer = mdlib.MirrorDescent(model.parameters(), lr, mdlib.LpPotential(p), momentum=0.9)
    options = {k: v for k, v in changed.items() if k not in ("model", "optimizer")}
    if options.get("validation") == "other":
        options["validation"] = small.sentences(30, seed=3)
    with pytest.raises(ValueError, match=message):
        small.train(tmp_path, model, optimizer, **options)
    assert_same(contents(tmp_path), before)


def test_another_machine_is_warned_of(tmp_path):
    small.train(tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["where"]["origin"]["versions"]["torch"] = "1.0"
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.warns(UserWarning, match=r"versions\.torch was '1\.0', now"):
        small.train(tmp_path)


def hold(directory, began, stop):
    class Waits(small.Sequences):
        def collate(self, indices):
            began.set()
            stop.wait(60)
            raise StoppedError

    data = small.sentences(10, seed=1)
    data.__class__ = Waits
    model = small.classifier()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    fit(model, data, optimizer, epochs=1, directory=directory, progress=False)


def test_a_directory_has_one_run_at_a_time_and_the_next_one_waits(tmp_path, capsys):
    context = multiprocessing.get_context("spawn")
    began, stop = context.Event(), context.Event()
    other = context.Process(target=hold, args=(tmp_path, began, stop), daemon=True)
    other.start()
    try:
        assert began.wait(60)
        with ThreadPoolExecutor(1) as threads:
            waits = threads.submit(small.train, tmp_path)
            while not (said := capsys.readouterr().err):
                time.sleep(0.01)
            assert said == f"another process is at the run {tmp_path}, waiting\n"
            assert not waits.done()
            other.kill()  # the lock goes with it
            with pytest.raises(ValueError, match="begun with other settings"):
                waits.result(60)
    finally:
        other.kill()
        other.join()


class Exploit:
    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


@pytest.mark.parametrize("name", ["checkpoint.pt", "best.pt"])
@pytest.mark.parametrize("content", ["pickle", "torch", "cut", "empty"])
def test_loading_executes_nothing(name, content, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, model = small.train(tmp_path)
    path = tmp_path / name
    if content == "pickle":
        path.write_bytes(pickle.dumps(Exploit(), protocol=2))
    elif content == "torch":
        torch.save({"model": Exploit()}, path)
    else:
        path.write_bytes(path.read_bytes()[: 1000 if content == "cut" else 0])
    with pytest.raises(ValueError, match="is not a file that fit wrote, or is damaged"):
        load_weights(model, tmp_path, "best" if name == "best.pt" else "last")
    if name == "checkpoint.pt":
        with pytest.raises(ValueError, match="is not a file that fit wrote, or is damaged"):
            small.train(tmp_path)
    assert not Path("executed").exists()


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A run of an epoch: the bytes of its checkpoint, what they hold, and its metrics."""
    folder = tmp_path_factory.mktemp("whole")
    torch.manual_seed(0)
    model, data = nn.Linear(2, 2), Arrays(torch.rand(9, 2), torch.arange(9) % 2)
    fit(model, data, torch.optim.SGD(model.parameters(), 0.1), epochs=1, directory=folder)
    content, metrics = ((folder / name).read_bytes() for name in ("checkpoint.pt", METRICS))
    return content, RunDirectory(folder, {}).restore()[0], metrics


def restored(folder, content, metrics):
    """What a folder with such a checkpoint gives back; None where it is refused by its name."""
    (folder / "checkpoint.pt").write_bytes(content)
    (folder / METRICS).write_bytes(metrics)
    try:
        return RunDirectory(folder, {}).restore()[0]
    except ValueError as error:
        if str(error).startswith(str(folder / "checkpoint.pt")):
            return None
        raise


@given(at=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_noticed_or_changes_nothing(at, bit, checkpoint, tmp_path_factory):
    """Nothing: some bits of an archive are filling between its members, or a date."""
    whole, state, metrics = checkpoint
    content = bytearray(whole)
    content[int(at * len(content))] ^= 1 << bit
    found = restored(tmp_path_factory.mktemp("flipped"), content, metrics)
    if found is not None:
        assert_same(found, state)


def test_a_flipped_bit_of_every_number_is_noticed(checkpoint, tmp_path):
    content, state, metrics = checkpoint
    assert restored(tmp_path, content, metrics) is not None
    for tensor in [*state["model"].values(), *state["generators"].values()]:
        stored = tensor.numpy().tobytes()
        assert content.count(stored) == 1
        changed = bytearray(content)
        changed[content.index(stored) + len(stored) // 2] ^= 1
        assert restored(tmp_path, changed, metrics) is None


@given(kept=st.floats(0, 1, exclude_max=True), zeroed=st.booleans())
def test_a_checkpoint_that_is_cut_or_zeroed_is_refused(kept, zeroed, checkpoint, tmp_path_factory):
    content, state, metrics = checkpoint
    half = content[: int(kept * len(content))].rstrip(b"\0") + b"\0" * zeroed * len(content)
    found = restored(tmp_path_factory.mktemp("cut"), half[: len(content)], metrics)
    if zeroed and found is not None:  # the archive's own end is zeros, or need not be read
        assert_same(found, state)
    else:
        assert found is None


def test_metrics_that_were_changed_are_refused(tmp_path):
    small.train(tmp_path)
    path = tmp_path / METRICS
    path.write_bytes(path.read_bytes().replace(b'"step": 4', b'"step": 5', 1))
    with pytest.raises(ValueError, match=r"metrics\.jsonl is not what its checkpoint counts"):
        small.train(tmp_path)


def test_metrics_that_lost_lines_are_refused(tmp_path):
    small.train(tmp_path)
    (tmp_path / "metrics.jsonl").write_text("")
    with pytest.raises(ValueError, match="lost lines that its checkpoint counts"):
        small.train(tmp_path)


def test_weights_that_are_not_there_or_not_this_models(tmp_path):
    model = small.classifier()
    small.train(tmp_path, validation=None)
    with pytest.raises(FileNotFoundError, match="a run with validation writes it"):
        load_weights(model, tmp_path, "best")
    with pytest.raises(FileNotFoundError, match="no run was begun there"):
        load_weights(model, tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="which must be last or best, got 'first'"):
        load_weights(model, tmp_path, "first")
    with pytest.raises(ValueError, match="holds the weights of another model"):
        load_weights(nn.Linear(2, 2), tmp_path)


@pytest.mark.parametrize("content", [{"model": {}}, {"model": {}, "format": 2}, [1]], ids=str)
def test_a_file_of_another_format_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="was written by another version of mdlib"):
        load_weights(small.classifier(), tmp_path)


def test_settings_that_json_refuses_leave_nothing_behind(tmp_path):
    with (
        pytest.raises(ValueError, match="Out of range float"),
        RunDirectory(tmp_path, {"eps": math.inf}),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize(
    ("name", "value"), [("device", "cuda"), ("precision", "bfloat16"), ("processes", 2)]
)
def test_another_arithmetic_is_refused_and_named(name, value, tmp_path):
    small.train(tmp_path)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["where"]["same"][name] = value
    torch.save(state, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match=f"was begun otherwise: {name} was '?{value}'?, now"):
        small.train(tmp_path)


def test_an_open_directory_is_taken_and_what_it_was_opened_with_stands(tmp_path):
    asked = {"kind": "by hand", "number": 3}
    with RunDirectory(tmp_path, asked) as directory:
        run, _ = small.train(directory)
    assert json.loads((tmp_path / "run.json").read_text()) == asked
    assert not (tmp_path / "outcome.json").exists()  # whoever opened it says how it ended
    with RunDirectory(tmp_path, asked) as directory:
        again, _ = small.train(directory, data=StopsAfter(small.sentences(61, seed=1), 0))
    assert again == run
    load_weights(small.classifier(seed=1), tmp_path)
    with (
        pytest.raises(ValueError, match="number was 3, now 4"),
        RunDirectory(tmp_path, {**asked, "number": 4}),
    ):
        pass


def test_a_directory_that_is_open_here_is_not_waited_for(tmp_path, capsys):
    with (
        RunDirectory(tmp_path, {"kind": "by hand"}),
        pytest.raises(RuntimeError, match="is open here already; pass on the open RunDirectory"),
    ):
        small.train(tmp_path)
    assert capsys.readouterr().err == ""
    with RunDirectory(tmp_path, {"kind": "by hand"}):
        pass


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC], ids=str)
def test_a_finished_run_is_read_where_nothing_may_be_written(code, tmp_path, monkeypatch):
    first, _ = small.train(tmp_path / "ended")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "ended").iterdir()}

    def refuse(*_, **__):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    if code == errno.ENOSPC:
        with pytest.raises(OSError, match="No space left"):
            small.train(tmp_path / "ended")
        return
    again, _ = small.train(tmp_path / "ended")
    assert again == first
    assert {path: path.stat().st_mtime_ns for path in before} == before
    with pytest.raises(OSError, match=os.strerror(code)):  # this one has not ended
        small.train(tmp_path / "begun")


@pytest.mark.parametrize("trained", ["whole", "part", "plain"])
def test_weights_of_a_compiled_model_are_read(trained, tmp_path):
    """And by a compiled one."""

    def compiled(model, which):
        if which == "whole":
            return torch.compile(model, backend="eager")
        if which == "part":
            model.blocks[0] = torch.compile(model.blocks[0], backend="eager")
        return model

    model = compiled(small.classifier(), trained)
    torch.save({"model": model.state_dict(), "format": 1}, tmp_path / "checkpoint.pt")
    for which in ("whole", "part", "plain"):
        other = compiled(small.classifier(seed=1), which)
        load_weights(other, tmp_path)
        for ours, theirs in zip(other.parameters(), model.parameters(), strict=True):
            assert torch.equal(ours, theirs)


def test_a_run_that_was_begun_before_is_known_by_its_old_description(tmp_path):
    """A folder of commit a5d0a4f: config.json holds what was asked, and more."""
    shutil.copytree(OLD / "fit", tmp_path / "fit")
    settings = json.loads((OLD / "fit" / "config.json").read_text())["settings"]
    asked = {k: settings[k] for k in ("model", "optimizer", "train", "validation", "options")}
    with RunDirectory(tmp_path / "fit", asked):
        pass
    asked["options"]["seed"] = 9
    with (
        pytest.raises(ValueError, match=r"options\.seed was 0, now 9"),
        RunDirectory(tmp_path / "fit", asked),
    ):
        pass


def test_a_directory_without_its_checkpoint_begins_again(tmp_path):
    small.train(tmp_path)
    before = contents(tmp_path)
    (tmp_path / "checkpoint.pt").unlink()
    small.train(tmp_path)
    assert_same(contents(tmp_path), before)


def test_a_tilde_is_the_home_wherever_a_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    fitted, model = small.train("~/run")
    assert fitted.directory == tmp_path / "home" / "run"
    load_weights(model, "~/run")
    make_folder("~/runs")
    (end,) = sweep([Chore(0)], do, "~/runs", workers=1)
    assert (
        end.directory
        == run_directory(Chore(0), "~/runs")
        == run_directory(Chore(0), tmp_path / "home/runs")
    )
    tokenizer = Tokenizer.train(["so good"], size=40)
    tokenizer.save("~/tokenizer.json")
    assert len(Tokenizer.load("~/tokenizer.json")) == len(tokenizer)
    assert list(Path().iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "home").iterdir()) == [
        "run",
        "runs",
        "tokenizer.json",
    ]

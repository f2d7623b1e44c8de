"""The command line: what it prints, what it refuses, and that both commands share their runs."""

import json
import re
import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from mdlib.__main__ import _as_options, main
from mdlib.runs.grid import choose_rates, grid, table
from mdlib.runs.sweep import Outcome
from mdlib.studies.images import VisionRun
from mdlib.studies.text import SentimentRun

TINY = "--width 8 --heads 2 --hidden 8 --vocabulary 200 --epochs 2 --batch-size 20 --subset 60"


@pytest.fixture
def run(stored, capsys):
    """Call a command with the small data; return its status, output and errors."""

    def call(command, *more):
        arguments = [*command.split(), *TINY.split(), "--folder", str(stored / "runs"), *more]
        status = main(arguments)
        return status, *capsys.readouterr()

    return call


def runs_in(folder):
    return sorted(path.parent.name for path in folder.glob("*/outcome.json"))


def test_a_run_prints_its_accuracies_and_is_not_repeated(run, stored):
    status, out, err = run("sentiment --p 1.1 --lr 0.01")
    assert status == 0
    lines = out.splitlines()
    assert lines[0].split() == ["epoch", "train", "validation"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"]
    assert "md p=1.1 lr=0.01 on sst2" in err
    (path,) = stored.glob("runs/*/outcome.json")
    written = path.read_bytes()
    assert run("sentiment --p 1.1 --lr 0.01") == (status, out, err)
    assert path.read_bytes() == written
    assert not list(stored.glob("cache/**/test.npz"))


def test_the_test_part_is_looked_at_when_asked_and_once(run, stored):
    _, out, _ = run("sentiment --optimizer adam --lr 0.01 --test")
    assert "test accuracy" in out
    (path,) = stored.glob("runs/*/test.json")
    scores = json.loads(path.read_text())["result"]
    assert f"{scores['best']['accuracy']:.2%} with the best" in out
    assert f"{scores['last']['accuracy']:.2%} with the last" in out
    written = path.read_bytes()
    assert run("sentiment --optimizer adam --lr 0.01 --test")[1] == out
    assert path.read_bytes() == written


def test_a_run_that_diverges_ends_with_status_1(run):
    status, out, err = run("sentiment --p 2 --lr 1e30")
    assert (status, out) == (1, "")
    assert "diverged: FloatingPointError: " in err


def test_a_sweep_prints_a_line_for_each_setting_and_shares_the_runs_of_the_other(run, stored):
    run("sentiment --p 2 --lr 0.01 --seed 1")
    (before,) = runs_in(stored / "runs")
    begun = (stored / "runs" / before / "outcome.json").stat().st_mtime_ns
    command = "sweep --optimizer md adam --p 1.1 2 --lr 0.01 1e30 --seed 0 1 --workers 1 --test"
    status, out, err = run(command)
    assert status == 1  # 1e30
    assert len(runs_in(stored / "runs")) == 3 * 2 * 2
    assert (stored / "runs" / before / "outcome.json").stat().st_mtime_ns == begun
    head, *lines = [line.split() for line in out.splitlines()]
    assert head[:4] == ["optimizer", "p", "lr", "runs"]
    assert [line[:3] for line in lines if line[2] == "0.01"] == [
        ["md", "1.1", "0.01"],
        ["md", "2.0", "0.01"],
        ["adam", "-", "0.01"],
    ]
    assert all(line[3:6] == ["2", "of", "2"] for line in lines if line[2] == "0.01")
    assert "+-" in out
    assert "diverged" in err
    # The chosen rates alone were tested.
    tested = [path.parent for path in stored.glob("runs/*/test.json")]
    rates = [json.loads((path / "run.json").read_text())["lr"] for path in tested]
    assert rates == [0.01] * 6


@pytest.mark.parametrize("command", ["sentiment --p 1.1", "sweep --p 1.1 2 --seed 0 1 2"])
def test_a_dry_run_prints_the_cost_and_trains_nothing(command, run, stored):
    status, out, _ = run(f"{command} --dry-run")
    assert status == 0
    for word in ("parameters", "tokens an epoch", "with padding", "steps", "expected time"):
        assert word in out
    assert "3 an epoch, 6 in all" in out
    assert not (stored / "runs").exists()
    if command.startswith("sweep"):
        assert out.count("parameters") == 2  # seeds cost the same
        assert "6 runs, " in out


def test_a_dry_run_survives_a_rate_that_training_would_not(run):
    assert run("sentiment --p 2 --lr 1e30 --dry-run")[0] == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("sentiment", "md needs a --p; give --p, such as --p 1.1"),
        ("sentiment --optimizer l1 --lr 1", "give --penalty, such as --penalty 0.0001"),
        ("sweep --optimizer adamw --lr 1", "give --weight-decay, such as --weight-decay 0.01"),
        ("sentiment --p 1", "--p must be a finite number above 1"),
        ("sentiment --p 1.7", "no learning rate for md with --p 1.7: give --lr, or take"),
        ("sentiment --optimizer adam --p 2 --lr 1", "adam has no --p, got 2.0; leave it out"),
        ("sentiment --p 2 --heads 3", "--width must be a multiple of --heads, got --width 64"),
        ("sentiment --p 2 --lr -1", "--lr must be finite and >= 0, got -1"),
        ("sentiment --p 2 --epochs 0", "--epochs must be an integer of at least 1"),
        ("sentiment --p 2 --max-length 0", "--max-length must be at least 1"),
        (
            "sentiment --p 2 --stop-at-accuracy 2",
            "--stop-at-accuracy must be a number in (0, 1], or leave it out",
        ),
        (
            "sentiment --p 2 --clip 0",
            "--clip must be a finite number above 0, or leave it out for no clipping",
        ),
        ("sentiment --p 2 --subset 0", "--subset must be at least 1, or leave it out for all"),
        ("sentiment --p 2 --vocabulary 5", "--vocabulary must be at least "),
        ("sweep --p 1.1 --workers 0", "--workers must be at least 1"),
        ("sweep --p 1.1 --scheduler foo", "--scheduler 'foo' does not answer: "),
        ("sweep --p 1.1 --workers 2 --scheduler tcp://x:1", "not allowed with"),
        ("sentiment --p x", "invalid float value: 'x'"),
        ("train", "invalid choice"),
        ("sweep --tas vision --p 2 --dry-run", "unrecognized arguments: --tas vision"),
        ("sentiment --p 2 --preset quick --epoch 1", "unrecognized arguments: --epoch 1"),
        ("vision --p 2 --data imdb", "invalid choice: 'imdb'"),
        ("vision --p 2 --vocabulary 9", "unrecognized arguments: --vocabulary 9"),
        ("vision --p 2 --patch 3", "--image-size must be a multiple of --patch"),
        ("sweep --task vision --p 2 --augment", "--augment mirrors images, which digits do not"),
        ("sweep --task images --p 2", "invalid choice: 'images'"),
        ("", "required"),
    ],
)
def test_bad_options_are_named(command, message, stored, capsys):
    with pytest.raises(SystemExit) as exited:
        main([*command.split(), "--folder", str(stored / "runs")] if command else [])
    assert exited.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(stored.glob("runs/*"))


def test_a_run_that_fails_is_explained_in_options_too(run):
    status, _, err = run("sentiment --p 2 --lr 0.01", "--subset", "500")
    assert status == 1
    assert "--subset 500 is more than the 120 examples; leave it out" in err


@pytest.mark.parametrize(
    "message",
    [
        "/home/p/data/seed/width: no such file",
        "[Errno 28] No space left on device: 'runs/p'",
        "sst2/train.tsv.gz: neither under MDLIB_DATA (seed/p) nor in the cache",
    ],
)
def test_words_that_are_no_settings_are_left_alone(message):
    assert _as_options(message, SentimentRun) == message


@pytest.mark.parametrize("more", ["", "--dry-run"])
@pytest.mark.parametrize("command", ["sentiment", "sweep"])
@pytest.mark.parametrize(
    ("device", "message"),
    [
        ("gpu", "device must be auto, cpu, cuda or mps, got 'gpu'"),
        ("cuda:99", "device 'cuda:99' is not available here; use cpu"),
        ("cuda:one", "device 'cuda:one' is not available here; use cpu"),
    ],
)
def test_a_device_that_is_not_there_is_refused_before_anything_is_done(
    command, more, device, message, stored, capsys
):
    arguments = f"{command} --p 1.1 --device {device} {more} --folder {stored / 'runs'}"
    with pytest.raises(SystemExit) as exited:
        main(arguments.split())
    assert exited.value.code == 2
    assert message in capsys.readouterr().err
    assert not (stored / "runs").exists()
    assert not (stored / "cache").exists()


@pytest.mark.parametrize("command", ["sentiment --p 1.1", "sweep --p 1.1 --seed 0 --workers 1"])
@pytest.mark.parametrize(
    ("more", "used_by"),
    [("--test", ["train", "score_on_test"]), ("--dry-run", ["cost"]), ("", ["train"])],
)
def test_the_device_reaches_all_that_computes(command, more, used_by, run, monkeypatch):
    asked = []

    def choose(name):
        asked.append((sys._getframe(1).f_code.co_name, name))
        return torch.device("cpu")

    for module in ("mdlib.runs.training", "mdlib.runs.cost", "mdlib.__main__"):
        monkeypatch.setattr(f"{module}.choose_device", choose)
    assert run(f"{command} --lr 0.01 --device cuda:99 {more}")[0] == 0
    assert {name for _, name in asked} == {"cuda:99"}
    assert [who for who, _ in asked if not who.startswith("train_")] == used_by


@pytest.mark.parametrize("command", ["sentiment", "sweep"])
def test_a_folder_that_cannot_be_made_is_refused_before_the_texts_are_read(command, stored, capsys):
    (stored / "file").write_bytes(b"")
    with pytest.raises(SystemExit) as exited:
        main([*command.split(), "--p", "1.1", "--folder", str(stored / "file" / "runs")])
    assert exited.value.code == 2
    assert re.search(
        r"--folder '.*file/runs' cannot be made or wr.*; name", capsys.readouterr().err
    )
    assert not (stored / "cache").exists()


@pytest.mark.parametrize("command", ["sentiment", "sweep --workers 1"])
def test_a_stopped_command_says_how_to_go_on(command, run, stored, monkeypatch):
    def stop(run, directory, device, progress=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mdlib.__main__.train", stop)
        status, out, err = run(f"{command} --p 2 --lr 0.01", "--seed", "0")
    assert (status, out) == (130, "")
    assert err.endswith("stopped; the same command goes on\n")
    assert "Traceback" not in err
    assert runs_in(stored / "runs") == []
    assert run(f"{command} --p 2 --lr 0.01", "--seed", "0")[0] == 0


@pytest.mark.parametrize("command", ["sentiment", "sweep", "sentiment --dry-run"])
def test_absent_data_are_an_error_not_a_failed_run(command, stored, monkeypatch, capsys):
    monkeypatch.setenv("MDLIB_DATA", str(stored / "nowhere"))
    with pytest.raises(SystemExit) as exited:
        main([*command.split(), "--p", "1.1", "--folder", str(stored / "runs")])
    assert exited.value.code == 2
    assert "which is no folder" in capsys.readouterr().err
    assert not list(stored.glob("runs/*"))


@pytest.mark.parametrize("command", ["sentiment", "vision", "sweep", "sweep --task vision"])
def test_help_explains_every_option_and_shows_examples(command, capsys):
    with pytest.raises(SystemExit) as exited:
        main([*command.split(), "--help"])
    assert exited.value.code == 0
    out = capsys.readouterr().out
    assert f"python -m mdlib {command} --p 1.1" in out
    kind = VisionRun if "vision" in command else SentimentRun
    for field in fields(kind):
        assert f"--{field.name.replace('_', '-')} " in out
    assert f"paper {kind.preset('paper', p=1.1).width}" in out


TINY_IMAGES = "--patch 4 --layers 1 --width 8 --heads 2 --hidden 8 --epochs 2 --subset 60"


def images(command, folder, capsys):
    status = main([*command.split(), *TINY_IMAGES.split(), "--folder", str(folder / "runs")])
    return status, *capsys.readouterr()


def test_images_are_trained_on_and_swept_over_by_the_same_commands(tmp_path, capsys):
    status, out, err = images("vision --p 2 --lr 0.01 --seed 1 --test", tmp_path, capsys)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["epoch", "1", "2", "test"]
    assert "md p=2 lr=0.01 on digits" in err
    (before,) = runs_in(tmp_path / "runs")
    begun = (tmp_path / "runs" / before / "outcome.json").stat().st_mtime_ns
    command = "sweep --task vision --optimizer md adam --p 2 --lr 0.01 --seed 0 1 --workers 1"
    status, out, _ = images(command, tmp_path, capsys)
    assert status == 0
    assert len(runs_in(tmp_path / "runs")) == 4
    assert (tmp_path / "runs" / before / "outcome.json").stat().st_mtime_ns == begun
    assert [line.split()[0] for line in out.splitlines()] == ["optimizer", "md", "adam"]


def test_the_cost_of_images_is_told_beforehand(tmp_path, capsys):
    status, out, _ = images("vision --p 2 --dry-run", tmp_path, capsys)
    assert status == 0
    assert "60 to train on" in out
    assert f"{60 * 5:,}\n" in out
    assert not (tmp_path / "runs").exists()


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "mdlib", "--help"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in ("sentiment", "vision", "sweep"):
        assert name in [line.split()[0] for line in out.splitlines() if line.startswith("    ")]
    for name in ("sentiment", "vision", "sentences", "claims"):
        assert f"python -m mdlib.{name}" in " ".join(out.split())


def end(validation=None, status="finished", **values):
    result = None
    if status == "finished":
        result = {"best": {"validation_accuracy": validation}, "seconds": 3.0}
    run = SentimentRun(optimizer="sgd", **values)
    return Outcome(run, None, status, result, None, {})


def test_the_best_mean_over_the_seeds_decides_the_rate():
    lucky = [end(0.9, lr=0.1, seed=0), end(0.5, lr=0.1, seed=1)]
    steady = [end(0.8, lr=0.2, seed=0), end(0.8, lr=0.2, seed=1)]
    broken = [end(0.99, lr=0.3, seed=0), end(status="diverged", lr=0.3, seed=1)]
    deeper = [end(0.6, lr=0.1, layers=2)]
    hopeless = [end(status="diverged", lr=0.1, layers=3)]
    assert choose_rates(lucky + broken + deeper + steady + hopeless) == steady + deeper


def test_the_table_shows_what_varies_with_mean_and_deviation():
    ends = [end(0.8, layers=1, seed=0), end(0.9, layers=1, seed=1), end(0.5, layers=2)]
    ends.append(end(status="failed", layers=2, seed=1))
    scores = {"best": {"accuracy": 0.75}, "last": {"accuracy": 0.5}}
    tests = [Outcome(ends[2].run, None, "finished", scores, None, {})]
    assert [line.split("  ") for line in table(ends, tests).splitlines()] == [
        line.split("  ")
        for line in (
            "layers  runs    validation     test (best)  test (last)  time of a run",
            "1       2 of 2  85.00 +- 7.07                            3 s",
            "2       1 of 2  50.00          75.00        50.00        3 s",
        )
    ]


def test_a_grid_leaves_out_what_an_optimizer_does_not_have():
    values = {"optimizer": ["md", "adam"], "p": [1.1, 2.0, 3.0], "lr": [0.1, 0.2], "seed": [0, 1]}
    runs = grid(SentimentRun, "quick", values)
    assert len(runs) == len(set(runs)) == (3 + 1) * 2 * 2
    assert {run.p for run in runs if run.optimizer == "adam"} == {None}

"""The command line: what it prints, what it refuses, and that its runs are never repeated."""

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields

import pytest
import torch

from mdlib.__main__ import main
from mdlib.commands.run import KINDS

TINY = "--width 8 --heads 2 --hidden 8 --vocabulary 200 --epochs 2 --batch-size 20 --subset 60"
ONE, MANY = "run text --p 1.1 --lr 0.01", "run text --p 1.1 2 --lr 0.01 --workers 1"


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
    status, out, err = run(ONE)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].split() == ["epoch", "train", "validation"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2"]
    (path,) = stored.glob("runs/*/outcome.json")
    assert err.splitlines()[:2] == [
        "md p=1.1 lr=0.01 on sst2, 1 layers of width 8",
        str(path.parent),
    ]
    written = path.read_bytes()
    assert run(ONE) == (status, out, err)
    assert path.read_bytes() == written
    assert not list(stored.glob("cache/**/test.npz"))


def test_the_recorded_command_can_be_typed_again(run, stored):
    """With quotes where the shell needs them: run as it stands, it finds its own run."""
    folder = stored / "my runs"
    command = f"run images --p 2 --lr 0.01 {TINY_IMAGES} --folder".split()
    assert main([*command, str(folder)]) == 0
    (path,) = folder.glob("*/outcome.json")
    typed = json.loads(path.read_text())["provenance"]["command"]
    assert typed == f"python -m mdlib {shlex.join(command)} '{folder}'"
    program, *words = shlex.split(typed)
    done = subprocess.run(
        [{"python": sys.executable}[program], *words], check=True, capture_output=True, text=True
    )
    assert str(path.parent) in done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["epoch", "1", "2"]
    assert len(list(folder.iterdir())) == 1


def test_the_test_part_is_looked_at_when_asked_and_once(run, stored):
    _, out, _ = run("run text --optimizer adam --lr 0.01 --test")
    assert "test accuracy" in out
    (path,) = stored.glob("runs/*/test.json")
    scores = json.loads(path.read_text())["result"]
    assert f"{scores['best']['accuracy']:.2%} with the best" in out
    assert f"{scores['last']['accuracy']:.2%} with the last" in out
    written = path.read_bytes()
    assert run("run text --optimizer adam --lr 0.01 --test")[1] == out
    assert path.read_bytes() == written


def test_a_run_that_diverges_ends_with_status_1(run):
    status, out, err = run("run text --p 2 --lr 1e30 --test")
    assert (status, out) == (1, "")
    assert ": diverged: FloatingPointError: " in err.splitlines()[-1]


def test_several_values_are_a_line_for_each_setting_and_share_the_runs_of_one(run, stored):
    run("run text --p 2 --lr 0.01 --seed 1")
    (before,) = runs_in(stored / "runs")
    begun = (stored / "runs" / before / "outcome.json").stat().st_mtime_ns
    command = "run text --optimizer md adam --p 1.1 2 --lr 0.01 1e30 --seed 0 1 --workers 1 --test"
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


@pytest.mark.parametrize("command", ["run text --p 1.1", "run text --p 1.1 2 --seed 0 1 2"])
def test_a_dry_run_prints_the_cost_and_trains_nothing(command, run, stored):
    status, out, _ = run(f"{command} --dry-run")
    assert status == 0
    for word in ("parameters", "tokens an epoch", "with padding", "steps", "expected time"):
        assert word in out
    assert "3 an epoch, 6 in all" in out
    assert not (stored / "runs").exists()
    if "--seed" in command:
        assert out.count("parameters") == 2  # seeds cost the same
        assert "6 runs, " in out


def test_a_dry_run_survives_a_rate_that_training_would_not(run):
    assert run("run text --p 2 --lr 1e30 --dry-run")[0] == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run text", "md needs a p, got None; give p, such as p=1.1"),
        ("run text --optimizer l1 --lr 1", "give penalty, such as penalty=0.0001"),
        ("run text --optimizer adamw --lr 1", "give weight_decay, such as weight_decay=0.01"),
        ("run text --p 1", "p must be a finite number above 1"),
        ("run text --p 1.7", "no learning rate for md with p=1.7: give lr, or take one of md"),
        ("run text --optimizer adam --p 2 --lr 1", "adam has no p, got 2.0; leave it out, or take"),
        ("run text --p 2 --heads 3", "width must be a multiple of heads, got width=64, heads=3"),
        ("run text --p 2 --lr -1", "lr must be finite and >= 0, got -1"),
        ("run text --p 2 --epochs 0", "epochs must be an integer of at least 1, got 0"),
        ("run text --p 2 --max-length 0", "max_length must be at least 1, got 0"),
        (
            "run text --p 2 --stop-at-accuracy 2",
            "stop_at_accuracy must be a number in (0, 1], or None for all epochs; got 2.0",
        ),
        (
            "run text --p 2 --clip 0",
            "clip must be a finite number above 0, or None for no clipping; got 0.0",
        ),
        ("run text --p 2 --subset 0", "subset must be at least 1, or None for all; got 0"),
        ("run text --p 2 --vocabulary 5", "the vocabulary's size must be at least "),
        ("run text --p 1.1 2 --workers 0", "workers must be at least 1, got 0"),
        ("run text --p 1.1 --scheduler foo", "scheduler 'foo' does not answer: "),
    ],
)
def test_what_cannot_be_is_said_in_the_librarys_own_sentence(command, message, stored, capsys):
    assert main([*command.split(), "--folder", str(stored / "runs")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines()[-1].startswith("python -m mdlib: error: ")
    assert message in err
    assert not list(stored.glob("runs/*"))


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run text --p 1.1 --workers 2 --scheduler tcp://x:1", "not allowed with"),
        ("run text --p x", "invalid float value: 'x'"),
        ("run text --p 2 --optimizer muon", "invalid choice: 'muon'"),
        ("run sound", "invalid choice: 'sound'"),
        ("run", "required: WHAT"),
        ("sweep", "invalid choice: 'sweep'"),
        ("run text --p 2 --epoch 1", "unrecognized arguments: --epoch 1"),
        ("run images --p 2 --data imdb", "invalid choice: 'imdb'"),
        ("run images --p 2 --vocabulary 9", "unrecognized arguments: --vocabulary 9"),
        ("study text mnist", "invalid choice: 'mnist'"),
        ("study sentences reviews", "unrecognized arguments: reviews"),
        ("ledger --preset fast", "invalid choice: 'fast'"),
        ("", "required: COMMAND"),
    ],
)
def test_words_that_are_none_are_named(command, message, capsys):
    with pytest.raises(SystemExit) as exited:
        main(command.split())
    assert exited.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("run images --p 2 --patch 3", "image_size must be a multiple of patch, got image_size=8"),
        ("run images --p 2 --augment", "augment mirrors images, which digits do not bear"),
        ("ledger --chapter 99", "chapter 99 has no claims; chapters ["),
    ],
)
def test_other_verbs_say_so_too(command, message, capsys):
    assert main(command.split()) == 2
    assert f"python -m mdlib: error: {message}" in capsys.readouterr().err


def test_a_run_that_fails_says_why(run):
    status, _, err = run(ONE, "--subset", "500")
    assert status == 1
    assert "failed: ValueError: subset=500 is more than the 120 examples; leave it out" in err


@pytest.mark.parametrize("more", ["", "--dry-run"])
@pytest.mark.parametrize("command", [ONE, MANY])
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
    arguments = f"{command} --device {device} {more} --folder {stored / 'runs'}"
    assert main(arguments.split()) == 2
    assert message in capsys.readouterr().err
    assert not (stored / "runs").exists()
    assert not (stored / "cache").exists()


@pytest.mark.parametrize("command", [ONE, MANY])
@pytest.mark.parametrize(
    ("more", "used_by"),
    [("--test", ["train", "score_on_test"]), ("--dry-run", ["cost"]), ("", ["train"])],
)
def test_the_device_reaches_all_that_computes(command, more, used_by, run, monkeypatch):
    asked = []

    def choose(name):
        asked.append((sys._getframe(1).f_code.co_name, name))
        return torch.device("cpu")

    for module in ("mdlib.runs.training", "mdlib.runs.cost", "mdlib.commands"):
        monkeypatch.setattr(f"{module}.choose_device", choose)
    assert run(f"{command} --device cuda:99 {more}")[0] == 0
    assert {name for _, name in asked} == {"cuda:99"}
    assert list(dict.fromkeys(who for who, _ in asked if who != "make_ready")) == used_by


@pytest.mark.parametrize("command", [ONE, MANY])
def test_a_folder_that_cannot_be_made_is_refused_before_the_texts_are_read(command, stored, capsys):
    (stored / "file").write_bytes(b"")
    assert main([*command.split(), "--folder", str(stored / "file" / "runs")]) == 2
    assert re.search(r"folder '.*file/runs' cannot be made or wr.*; name", capsys.readouterr().err)
    assert not (stored / "cache").exists()


@pytest.mark.parametrize("command", [ONE, MANY])
def test_a_stopped_command_says_how_to_go_on(command, run, stored, monkeypatch):
    def stop(run, directory, device, progress=False):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("mdlib.commands.run.train", stop)
        status, out, err = run(command)
    assert (status, out) == (130, "")
    assert err.endswith("stopped; the same command goes on\n")
    assert "Traceback" not in err
    assert runs_in(stored / "runs") == []
    assert run(command)[0] == 0


@pytest.mark.parametrize(
    ("command", "place"),
    [
        ("study sentences --quick", "mdlib.studies.sentences.measure"),
        ("ledger", "mdlib.commands.ledger.claims_of"),
    ],
)
def test_every_command_is_stopped_alike(command, place, monkeypatch, capsys):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(place, stop)
    assert main(command.split()) == 130
    assert capsys.readouterr() == ("", "stopped\n")  # it would begin again


@pytest.mark.parametrize("command", ["ledger", "study sentences"])
def test_what_trains_no_run_is_not_for_several_processes(command, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(command.split()) == 2
    said = "python -m mdlib: error: torchrun is for training; start this without it\n"
    assert capsys.readouterr() == ("", said)


@pytest.mark.parametrize("command", [ONE, MANY, f"{ONE} --dry-run"])
def test_absent_data_are_an_error_not_a_failed_run(command, stored, monkeypatch, capsys):
    monkeypatch.setenv("MDLIB_DATA", str(stored / "nowhere"))
    assert main([*command.split(), "--folder", str(stored / "runs")]) == 2
    assert "which is no folder" in capsys.readouterr().err
    assert not list(stored.glob("runs/*"))


@pytest.mark.parametrize("about", KINDS)
def test_help_explains_every_option_and_shows_examples(about, capsys):
    with pytest.raises(SystemExit) as exited:
        main(["run", about, "--help"])
    assert exited.value.code == 0
    out = capsys.readouterr().out
    assert f"python -m mdlib run {about} --p 1.1" in out
    _, explained = out.split("options:")
    kind = KINDS[about]
    for field in fields(kind):
        flag = f"--{field.name.replace('_', '-')}"
        assert re.search(rf"^  {flag}( |,).*\s+[A-Za-z]", explained, re.M), flag
        text = explained.split(f"\n  {flag}")[1].split("\n  --")[0]
        assert len(text.split()) > 4 or field.name == "dropout", flag
    assert f"paper {kind.preset('paper', p=1.1).width}" in " ".join(out.split())


def test_each_example_of_the_help_is_a_command(monkeypatch, capsys):
    def refuse(scheduler):
        raise ConnectionError(f"scheduler {scheduler} does not answer")

    monkeypatch.setattr(sys.modules["mdlib.runs.sweep"], "check_scheduler", refuse)
    for about in KINDS:
        with pytest.raises(SystemExit):
            main(["run", about, "--help"])
        examples = re.findall(r"^  python -m mdlib (.*)$", capsys.readouterr().out, re.M)
        assert len(examples) >= 3
        for example in examples:
            # Refused for its device, so it was understood up to there.
            assert main([*example.split(), "--device", "none"]) == 2
            said = capsys.readouterr().err
            assert "device must be auto" in said or "does not answer" in said


TINY_IMAGES = "--patch 4 --layers 1 --width 8 --heads 2 --hidden 8 --epochs 2 --subset 60"


def images(command, folder, capsys):
    status = main([*command.split(), *TINY_IMAGES.split(), "--folder", str(folder / "runs")])
    return status, *capsys.readouterr()


def test_images_are_trained_on_by_the_same_command(tmp_path, capsys):
    status, out, err = images("run images --p 2 --lr 0.01 --seed 1 --test", tmp_path, capsys)
    assert status == 0
    assert [line.split()[0] for line in out.splitlines()] == ["epoch", "1", "2", "test"]
    assert "md p=2 lr=0.01 on digits" in err
    (before,) = runs_in(tmp_path / "runs")
    begun = (tmp_path / "runs" / before / "outcome.json").stat().st_mtime_ns
    command = "run images --optimizer md adam --p 2 --lr 0.01 --seed 0 1 --workers 1"
    status, out, _ = images(command, tmp_path, capsys)
    assert status == 0
    assert len(runs_in(tmp_path / "runs")) == 4
    assert (tmp_path / "runs" / before / "outcome.json").stat().st_mtime_ns == begun
    assert [line.split()[0] for line in out.splitlines()] == ["optimizer", "md", "adam"]


def test_the_cost_of_images_is_told_beforehand(tmp_path, capsys):
    status, out, _ = images("run images --p 2 --dry-run", tmp_path, capsys)
    assert status == 0
    assert "60 to train on" in out
    assert f"{60 * 5:,}\n" in out
    assert not (tmp_path / "runs").exists()


def test_two_processes_train_a_run_as_one(tmp_path, capsys):
    """Under torchrun; the curve is that of one process, and one of the two speaks and writes."""
    settings = f"run images --p 2 --lr 0.01 {TINY_IMAGES} --dropout 0 --test --folder"
    launch = "-m torch.distributed.run --nnodes 1 --nproc-per-node 2 --rdzv-backend c10d"
    command = [*launch.split(), "--rdzv-endpoint", "localhost:0", "-m", "mdlib", *settings.split()]
    done = subprocess.run(
        [sys.executable, *command, "runs"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,  # against a hang, which it once was
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert main([*settings.split(), str(tmp_path / "alone")]) == 0
    assert done.stdout == capsys.readouterr().out
    (path,) = tmp_path.glob("runs/*/outcome.json")
    together = json.loads(path.read_text())
    (other,) = tmp_path.glob(f"alone/{path.parent.name}/outcome.json")
    alone = json.loads(other.read_text())
    for two, one in zip(together["result"]["curve"], alone["result"]["curve"], strict=True):
        assert two == pytest.approx(one, rel=1e-4)
    typed = together["provenance"]["command"]
    assert typed == f"torchrun --nproc-per-node 2 -m mdlib {settings} runs"
    state = torch.load(path.parent / "checkpoint.pt", weights_only=True)
    assert state["where"]["same"]["processes"] == 2


def test_it_runs_as_a_module():
    command = [sys.executable, "-m", "mdlib", "--help"]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    for name in ("run", "study", "ledger"):
        assert name in [line.split()[0] for line in out.splitlines() if line.startswith("    ")]

"""Two processes that train as one."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mdlib.train import load_weights
from tests.support import idle, small

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What two gloo processes under torchrun left; see together.py."""
    folder = tmp_path_factory.mktemp("together")
    launch = "-m torch.distributed.run --nnodes 1 --nproc-per-node 2 --rdzv-backend c10d"
    command = [
        *launch.split(),
        "--rdzv-endpoint",
        "localhost:0",
        "-m",
        "tests.support.together",
        folder,
    ]
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def metrics(directory):
    return [json.loads(line) for line in (directory / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_curve_of_two_is_the_curve_of_one(reduction, folder):
    """Losses of every line, train and validation, to 1e-5, although a share may be empty."""
    alone, model = small.train(None, small.classifier(dropout=0.0), reduction=reduction)
    together = metrics(folder / reduction)
    assert len(together) == len(alone.metrics)
    for two, one in zip(together, alone.metrics, strict=True):
        assert two.pop("event") == one.pop("event")
        assert two == pytest.approx(one, rel=1e-5, abs=1e-5)
    shared = small.classifier(seed=3)
    load_weights(shared, folder / reduction)
    torch.testing.assert_close(shared.state_dict(), model.state_dict(), rtol=1e-4, atol=1e-5)


def test_processes_that_stopped_go_on_with_the_same_bits(folder):
    """With dropout, which each draws for itself."""
    whole, stopped = folder / "whole", folder / "stopped"
    assert (whole / "metrics.jsonl").read_bytes() == (stopped / "metrics.jsonl").read_bytes()
    states = [torch.load(d / "checkpoint.pt", weights_only=True) for d in (whole, stopped)]
    for name, weight in states[0]["model"].items():
        assert torch.equal(weight, states[1]["model"][name]), name
    assert torch.equal(*(state["generators"]["cpu"] for state in states))


def test_processes_drop_different_weights(folder):
    begun = torch.load(folder / "begun" / "checkpoint.pt", weights_only=True)
    assert begun["place"]["step"] == 0
    assert not torch.equal(*begun["generators"]["cpu"])


def test_every_process_ends_with_the_same(folder):
    (first, weights), (second, others) = (
        torch.load(folder / f"rank-{rank}.pt", weights_only=True) for rank in (0, 1)
    )
    assert first == second == metrics(folder / "stopped")
    for name in weights:
        assert torch.equal(weights[name], others[name]), name


def test_a_parameter_that_is_not_used_stays_as_it_was(folder):
    alone = idle.train(None)
    for kept in (torch.load(folder / f"kept-{rank}.pt", weights_only=True) for rank in (0, 1)):
        torch.testing.assert_close(kept["idle"], alone, rtol=1e-5, atol=1e-6)
        assert torch.equal(kept["idle"]["idle.weight"], alone["idle.weight"])
        assert not torch.equal(alone["used.weight"], idle.Idle().state_dict()["used.weight"])


def test_a_batch_norm_is_refused_unless_it_is_in_evaluation_mode(folder):
    kept = torch.load(folder / "kept-0.pt", weights_only=True)
    for name in ("trains", "whole"):
        assert kept[name].startswith("1 is a BatchNorm, and each of 2 processes would take it over")
    assert kept["frozen"] == ""


def test_the_number_of_processes_is_recorded(folder):
    with pytest.raises(ValueError, match="processes was 2, now 1"):
        small.train(folder / "mean", small.classifier(dropout=0.0), reduction="mean")

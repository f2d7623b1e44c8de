"""Where a run is computed."""

import pytest
import torch

from mdlib.runs.training import choose_device


@pytest.fixture
def gpus(monkeypatch):
    """Two of them, so it is said."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(choose_device.__globals__["_DEVICES"], "cuda", lambda: 2)
    monkeypatch.delenv("LOCAL_RANK", raising=False)


@pytest.mark.parametrize(
    ("name", "rank", "chosen"),
    [
        ("auto", None, "cuda"),
        ("auto", "1", "cuda:1"),
        ("cuda", "0", "cuda:0"),
        ("cuda:0", "1", "cuda:0"),
        ("cpu", "1", "cpu"),
    ],
)
def test_each_of_the_processes_of_a_machine_has_a_gpu(name, rank, chosen, gpus, monkeypatch):
    if rank is not None:
        monkeypatch.setenv("LOCAL_RANK", rank)
    assert choose_device(name) == torch.device(chosen)


def test_more_processes_than_gpus_are_refused(gpus, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(ValueError, match="device 'cuda:2' is not available here; use cpu"):
        choose_device("auto")

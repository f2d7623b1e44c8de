"""What is counted beforehand is what is then done."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mdlib.runs import cost as module
from mdlib.runs.cost import cost, duration, operations
from mdlib.studies.text import SentimentRun, build_model, train

RUN = SentimentRun(
    p=1.5, lr=1e-3, width=16, heads=2, hidden=24, layers=3, vocabulary=200, epochs=2, batch_size=7
)


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_operations_are_those_that_torch_counts(layers):
    run = replace(RUN, layers=layers)
    lengths = torch.tensor([9, 4, 12, 3, 5])
    batches = [torch.tensor([0, 1]), torch.tensor([2, 3, 4])]
    model = build_model(run, 50).eval()
    # The fused kernel is not counted on a CPU.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        for batch in batches:
            model(torch.ones(len(batch), int(lengths[batch].max()), dtype=torch.int64))
    assert operations(run, lengths, batches) == counter.get_total_flops()


def test_backward_costs_twice_forward():
    model = build_model(RUN, 50).eval()
    ids = torch.ones(4, 30, dtype=torch.int64)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as forward:
        loss = model(ids).sum()
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as backward:
        loss.backward()
    assert backward.get_total_flops() == pytest.approx(2 * forward.get_total_flops(), rel=0.02)


def test_the_counts_are_those_of_the_run(stored):
    found = cost(RUN)
    done = train(RUN, stored / "run")
    assert found.parameters == done["parameters"]
    assert found.steps * found.epochs == done["steps"] == 2 * 18
    assert found.examples == 120
    assert found.tokens <= found.padded <= 1.5 * found.tokens
    assert 0.1 * done["seconds"] < found.seconds * found.epochs < 10 * done["seconds"]
    longer = cost(replace(RUN, subset=60))
    assert longer.examples == 60
    assert longer.operations < found.operations


def test_a_cut_counts(stored):
    whole, cut = cost(RUN), cost(replace(RUN, max_length=3))
    assert cut.tokens <= 3 * 120 < whole.tokens
    assert f"{cut.tokens:,}" in str(cut)


class Clock:
    """Time in which a step lasts so long, and longer for each example."""

    def __init__(self, monkeypatch, step, example):
        self.now, self.step, self.example, self.sizes = 0.0, step, example, []
        monkeypatch.setattr(module, "fit", self.fit)
        monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=lambda: self.now))

    def fit(self, model, examples, optimizer, **options):
        self.sizes.append(len(examples.lengths))
        seconds = self.step + self.example * len(examples.lengths)
        self.now += seconds
        return SimpleNamespace(seconds=seconds)


@pytest.mark.parametrize("example", [0.0, 0.01, 0.1, 1.0, 9.0, 60.0])
@pytest.mark.parametrize("step", [0.001, 0.5, 30.0])
def test_timing_ends_soon_and_is_right_where_time_is_linear(step, example, stored, monkeypatch):
    clock = Clock(monkeypatch, step, example)
    whole = step + 7 * example
    passes = cost(replace(RUN, subset=70)).seconds / 10 / whole
    assert 1 < passes < 1.5  # validation is in it
    one = step + example
    assert clock.now <= 2 * 20 + 2 * one + (one + step + 2 * example)
    assert len(clock.sizes) >= 3
    if example <= 0.1 and step < 0.1:
        assert clock.sizes[2:] == [7] * 5


def test_it_says_what_it_is_doing_when_asked(stored, capsys):
    cost(RUN)
    assert capsys.readouterr() == ("", "")
    cost(RUN, progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(": ")[-1] for line in err.splitlines()] == [
        "reading the data ...",
        "timing a few steps ...",
    ]


@pytest.mark.parametrize(
    ("seconds", "written"),
    [
        (0.001, "0.001 s"),
        (119.4, "119 s"),
        (130, "2.2 min"),
        (7000, "117 min"),
        (1e9, "11,574 days"),
    ],
)
def test_durations(seconds, written):
    assert duration(seconds) == written

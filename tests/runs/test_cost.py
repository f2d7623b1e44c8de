"""What is counted beforehand is what is then done."""

from dataclasses import replace

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mdlib.runs import cost as module
from mdlib.runs.cost import cost, duration, operations
from mdlib.runs import train
from mdlib.studies.text import SentimentRun, build_model

RUN = SentimentRun(
    p=1.5, lr=1e-3, width=16, heads=2, hidden=24, layers=3, vocabulary=200, epochs=2, batch_size=7
)


def by_hand(run, tokens):
    """The operations of one text of so many tokens, written out: w^2 for each projection.

    The last layer makes keys and values of all tokens and asks for one only.
    """
    w, h = run.width, run.hidden
    keys = 4 * w * w
    query = 2 * w * w + 4 * w * tokens + 2 * w * w + 4 * w * h  # what one token asks and is told
    layers = run.layers * tokens * keys + ((run.layers - 1) * tokens + 1) * query
    return layers + 2 * run.width  # the readout


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_operations_are_those_of_the_formula_and_padding_counts(layers):
    run = replace(RUN, layers=layers)
    lengths = torch.tensor([9, 4, 12, 3, 5])
    batches = [torch.tensor([0, 1]), torch.tensor([2, 3, 4])]
    assert operations(run, lengths, batches) == 2 * by_hand(run, 9) + 3 * by_hand(run, 12)


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
    longer = cost(replace(RUN, subset=60))
    assert longer.examples == 60
    assert longer.operations < found.operations


def test_a_cut_counts(stored):
    whole, cut = cost(RUN), cost(replace(RUN, max_length=3))
    assert cut.tokens <= 3 * 120 < whole.tokens
    assert f"{cut.tokens:,}" in str(cut)


@pytest.fixture(params=[1e-9, 1e-6, 1e-3])
def clock(request, monkeypatch):
    """Time in which a step takes so long for each of its operations."""
    taken = []

    def step(model, optimizer, data, batch):
        taken.append(request.param * 3 * operations(RUN, RUN.tokens(data), [batch]))
        return taken[-1]

    monkeypatch.setattr(module, "_step", step)
    return request.param, taken


def test_the_guess_is_right_where_time_goes_with_the_operations_and_is_made_soon(stored, clock):
    speed, taken = clock
    found = cost(RUN)
    assert found.seconds == pytest.approx(speed * found.operations)
    assert len(taken) >= 3
    assert sum(taken) <= 20 + 3 * max(taken)
    if speed == 1e-9:  # all of the 18 steps
        assert sum(taken[2:]) == pytest.approx(found.seconds, rel=0.2)


def test_timed_steps_are_real_ones_and_leave_the_callers_generator_alone(stored, monkeypatch):
    stepped = []
    backward = torch.autograd.backward
    monkeypatch.setattr(torch.autograd, "backward", lambda x: (stepped.append(x), backward(x)))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    assert cost(RUN).seconds > 0
    assert len(stepped) == 2 + 18
    assert torch.equal(torch.rand(2), expected)


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

"""Other processors: who is emulated, what the nudge does, and what is made of pytest's report."""

import subprocess
import sys

import pytest

import processors
import steady


def test_every_processor_has_its_commits():
    names = {
        processors.chosen(f"{number:08x}cafe")[0] for number in range(len(processors.PROCESSORS))
    }
    assert names == set(processors.PROCESSORS)


def test_without_a_commit_it_is_the_real_one():
    assert processors.chosen("")[1] == {}


def test_the_command_needs_no_package():
    """It runs before there is an environment: -S leaves out all that is installed."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", processors.__file__, "00000000"],
        capture_output=True,
        text=True,
        check=True,
    )
    name, *variables = done.stdout.splitlines()
    assert dict(line.split("=", 1) for line in variables) == processors.PROCESSORS[name]


NUDGED = """
import torch
from pathlib import Path
param = torch.nn.Parameter(torch.tensor([1.0, 0.0, -3.0, 1e-30], dtype=torch.float64))
before = param.detach().clone()
names = set(globals())
exec(compile(Path({nudge!r}).read_text(), "nudge", "exec"))
assert set(globals()) == names | {{"names"}}
torch.optim.SGD([param], lr=1.0)
apart = (param.detach() / before - 1).abs()
assert param[1] == 0 and ((apart > 0) & (apart < 3e-16))[[0, 2, 3]].all(), apart
"""


def test_the_nudge_moves_each_weight_by_its_last_bit_and_leaves_no_name():
    code = NUDGED.format(nudge=str(processors.NUDGE))
    subprocess.run([sys.executable, "-c", code], check=True)


REPORT = """<testsuites><testsuite>
<testcase classname="book.part.01-x.ipynb" name="Cell 0"/>
<testcase classname="book.part.01-x.ipynb" name="Cell 1"><failure message="differs"/></testcase>
<testcase classname="book.part.02-y.ipynb" name="Cell 7"><error message="no kernel"/></testcase>
</testsuite></testsuites>"""


def test_the_failed_cells_of_a_report():
    assert steady.failed(REPORT) == {"01-x": ["1"], "02-y": ["7"]}


@pytest.mark.parametrize(("found", "code"), [({}, 0), ({"01-mirror-maps": ["4"]}, 1)])
def test_a_cell_that_differs_is_named_and_fails_the_command(found, code, monkeypatch, capsys):
    monkeypatch.setattr(steady, "differing", lambda *_: found)
    monkeypatch.setattr(steady.os, "nice", lambda _: 0)
    monkeypatch.setattr(sys, "argv", ["steady.py"])
    if code:
        with pytest.raises(SystemExit, match="old: 01-mirror-maps: code cells 4"):
            steady.main()
    else:
        steady.main()
    assert "01-mirror-maps" in capsys.readouterr().out

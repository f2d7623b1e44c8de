"""The command that does it again."""

import sys
from types import SimpleNamespace

import pytest

from mdlib.files import provenance


@pytest.mark.parametrize(
    ("module", "arguments", "processes", "command"),
    [
        ("mdlib.__main__", ["run", "text"], None, "python -m mdlib run text"),
        ("a.b", ["--only", "p = 2"], None, "python -m a.b --only 'p = 2'"),
        (None, ["x"], None, "python my/script.py x"),
        ("mdlib.__main__", ["run"], "2", "torchrun --nproc-per-node 2 -m mdlib run"),
        (None, [], "4", "torchrun --nproc-per-node 4 my/script.py"),
    ],
)
def test_the_command_is_the_one_that_was_typed(module, arguments, processes, command, monkeypatch):
    spec = None if module is None else SimpleNamespace(name=module)
    monkeypatch.setitem(sys.modules, "__main__", SimpleNamespace(__spec__=spec))
    monkeypatch.setattr(sys, "argv", ["my/script.py", *arguments])
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if processes:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    assert provenance.command() == command

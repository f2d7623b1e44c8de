"""What is compiled is kept; where the kept files are damaged it is compiled anew."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import FunctionCache

from mdlib.descent import kernel
from mdlib.geometry.compiled import _Cache, exactly

ROOT = Path(__file__).parents[2]
LOOPS = """
from mdlib.geometry.compiled import exactly, sums

@sums
def total(n):
    result = 0.0
    for i in range(n):
        result += i
    return result

@exactly
def twice(n):
    return 2 * total(n)

print(twice(4))
"""


def run(folder):
    """Run the loops in another process, with the folder as numba's cache."""
    if not (folder / "loops.py").exists():  # its time is part of what the cache goes by
        (folder / "loops.py").write_text(LOOPS)
    done = subprocess.run(
        [sys.executable, folder / "loops.py"],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "12.0", done.stderr
    return done.stderr


def kept(folder):
    return {file: file.read_bytes() for file in folder.rglob("*.nb[ic]")}


@pytest.mark.parametrize("part", [0, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["nbi", "nbc"])
def test_files_that_were_cut_are_compiled_anew_after_one_warning(part, kind, tmp_path):
    """And written anew: the process after that finds them whole."""
    assert run(tmp_path) == ""
    whole = kept(tmp_path)
    assert len(whole) == 4
    for file, content in whole.items():
        if file.suffix == f".{kind}":
            file.write_bytes(content[: int(part * len(content))])
    warned = run(tmp_path)
    assert warned.count("RuntimeWarning: compiled code in ") == 1
    assert "is damaged (" in warned
    assert run(tmp_path) == ""
    assert {file: len(content) for file, content in kept(tmp_path).items()} == {
        file: len(content) for file, content in whole.items()
    }


def test_where_the_files_cannot_be_mended_nothing_is_kept(monkeypatch):
    def cut(*_):
        raise EOFError("Ran out of input")

    def read_only(_):
        raise PermissionError

    cache = exactly(run)._cache
    monkeypatch.setattr(FunctionCache, "load_overload", cut)
    monkeypatch.setattr(_Cache, "flush", read_only)
    monkeypatch.setattr(_Cache, "_told", set())
    with pytest.warns(RuntimeWarning, match=r"damaged \(EOFError: Ran out of input\)"):
        assert cache.load_overload((), None) is None
    assert cache.load_overload((), None) is None  # no second warning
    assert not cache._enabled


def test_the_kernel_is_kept_this_way():
    functions = [f for f in vars(kernel).values() if hasattr(f, "py_func")]
    assert len(functions) > 5
    assert all(isinstance(f._cache, _Cache) for f in functions)


def test_what_was_compiled_is_kept_until_a_file_beside_it_changes(tmp_path):
    """Of which the function may call another, so that its own file is the same."""

    def indices():
        return {file.name: file.read_bytes() for file in tmp_path.rglob("*.nbi")}

    run(tmp_path)
    first = indices()
    run(tmp_path)
    assert indices() == first
    (tmp_path / "neighbour.py").write_text("")
    run(tmp_path)
    assert {name for name, content in indices().items() if content != first[name]} == set(first)

"""What was compiled is not used once a file that went into it has changed."""

from pathlib import Path

import numba

import mdlib.svm.compiled as module
from mdlib.svm.interior import interior_point


def test_what_is_kept_bears_the_stamp_of_every_file_of_the_package():
    files = sorted(Path(module.__file__).parent.glob("*.py"))
    assert [name for name, *_ in module._STAMP] == [file.name for file in files]
    assert interior_point._cache._cache_file._source_stamp == module._STAMP


def test_a_stamp_of_other_files_finds_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))
    compiled = []

    def fresh(stamp):
        monkeypatch.setattr(module, "_STAMP", stamp)
        function = module.callable_from_python(_double)
        assert function(2.0) == 4.0
        compiled.append(sum(function.stats.cache_misses.values()))

    for stamp in (["a"], ["a"], ["b"]):
        fresh(stamp)
    assert compiled == [1, 0, 1]


def _double(x):
    return 2 * x

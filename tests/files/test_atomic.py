"""whole_file: the bytes are on the disk before the name is, and the old file until then."""

import os
from pathlib import Path

import pytest

from mdlib.files.atomic import whole_file, write_whole


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="asks /proc what was synced")
def test_the_bytes_are_synced_before_the_name_and_the_name_after(tmp_path, monkeypatch):
    path, calls = tmp_path / "a", []
    path.write_bytes(b"old")
    fsync, replace = os.fsync, os.replace

    def watched_fsync(descriptor):
        calls.append(
            ("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink()), path.read_bytes())
        )
        fsync(descriptor)

    def watched_replace(source, target):
        calls.append(("rename", str(source), path.read_bytes()))
        replace(source, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(os, "replace", watched_replace)
    with whole_file(path) as file:
        file.write(b"new")
    beside = str(tmp_path / "a.part")
    assert calls == [
        ("sync", beside, b"old"),
        ("rename", beside, b"old"),
        ("sync", str(tmp_path), b"new"),
    ]


def test_a_block_that_raises_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), whole_file(path) as file:
        file.writelines([b"half", "not bytes"])
    assert path.read_bytes() == b"old"


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_whole(path, b"old")

    def interrupted(*_):
        raise KeyboardInterrupt

    for step in ("os.fsync", "pathlib.Path.replace"):
        with monkeypatch.context() as patched:
            patched.setattr(step, interrupted)
            with pytest.raises(KeyboardInterrupt):
                write_whole(path, b"new")
        assert path.read_bytes() == b"old"
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]

"""Files are found under MDLIB_DATA, then in the cache, else made once, checked and kept whole."""

import gzip
import hashlib
import io
import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mdlib.files.atomic import write_whole
from mdlib.files.fetch import UnavailableError
from mdlib.files.store import kept, key, read_files

CONTENTS = {"set/a.txt.gz": b"first\n" * 1000, "set/b.txt.gz": b"second"}
FILES = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}


@pytest.fixture
def own(tmp_path, cache, monkeypatch):
    monkeypatch.setenv("MDLIB_DATA", str(tmp_path / "own"))
    for name, content in CONTENTS.items():
        path = tmp_path / "own" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(content, compresslevel=1))  # not as the cache packs it
    return tmp_path / "own"


def build(archives: Path):
    archives.mkdir(parents=True)
    archives.joinpath("big.zip").write_bytes(b"archive")
    return CONTENTS


def never(_archives):
    raise AssertionError("there was no need to build")


def test_ones_own_folder_comes_first(cache, own):
    assert read_files(FILES, never) == CONTENTS
    assert not cache.exists()


def test_ones_own_folder_may_be_named_from_home(cache, own, monkeypatch):
    monkeypatch.setenv("HOME", str(own.parent))
    monkeypatch.setenv("USERPROFILE", str(own.parent))
    monkeypatch.setenv("MDLIB_DATA", "~/own")
    assert read_files(FILES, never) == CONTENTS


def test_built_files_are_kept_and_the_archives_are_not(cache):
    assert read_files(FILES, build) == CONTENTS
    kept = {str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file()} - {"set.lock"}
    assert kept == set(FILES)
    assert read_files(FILES, never) == CONTENTS


def test_the_cache_completes_ones_own_folder(cache, own):
    own.joinpath("set/b.txt.gz").unlink()
    assert read_files(FILES, build) == CONTENTS
    assert read_files(FILES, never) == CONTENTS


def test_the_order_is_the_one_asked_for(cache):
    backwards = dict(reversed(FILES.items()))
    assert list(read_files(backwards, build)) == list(backwards)


@pytest.mark.parametrize("damage", ["cut", "other", "nogzip"])
@pytest.mark.parametrize("where", ["cache", "own"])
def test_a_damaged_file_is_refused_in_ones_own_folder_and_rebuilt_in_the_cache(
    cache, request, damage, where
):
    if where == "own":
        folder = request.getfixturevalue("own")
    else:
        folder = cache
        read_files(FILES, build)
    path = folder / "set/a.txt.gz"
    whole = path.read_bytes()
    path.write_bytes(
        {"cut": whole[:-9], "other": gzip.compress(b"another"), "nogzip": b"plain"}[damage]
    )
    if where == "own":
        with pytest.raises(ValueError, match=r"own/set/a.txt.gz, found through MDLIB_DATA, is da"):
            read_files(FILES, never)
    else:
        assert read_files(FILES, build) == CONTENTS
        assert path.read_bytes() == whole


def test_what_was_built_wrongly_is_refused_and_not_kept(cache):
    with pytest.raises(ValueError, match=r"published archives hold another set/b.txt.gz: expected"):
        read_files(FILES, lambda _: CONTENTS | {"set/b.txt.gz": b"wrong"})
    assert [path.name for path in cache.iterdir()] == ["set.lock"]


def test_a_missing_folder_is_named(cache, monkeypatch, tmp_path):
    monkeypatch.setenv("MDLIB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"MDLIB_DATA is '.*nowhere', which is no folder"):
        read_files(FILES, build)


def test_offline_one_sentence_says_what_is_missing_and_what_to_do(cache):
    def offline(_archives):
        raise UnavailableError("https://host/big.zip could not be reached")

    with pytest.raises(UnavailableError) as caught:
        read_files(FILES, offline)
    assert str(caught.value) == (
        "set/a.txt.gz, set/b.txt.gz: neither under MDLIB_DATA (not set) nor in the cache "
        f"({cache}), and https://host/big.zip could not be reached; go online once, or let "
        "MDLIB_DATA name a folder that holds them"
    )
    assert caught.value.__suppress_context__


def test_where_nobody_publishes_the_sentence_does_not_send_online(cache):
    with pytest.raises(UnavailableError) as caught:
        read_files(FILES, None)
    assert str(caught.value) == (
        "set/a.txt.gz, set/b.txt.gz: neither under MDLIB_DATA (not set) nor in the cache "
        f"({cache}), and no host publishes them; let MDLIB_DATA name a folder that holds them"
    )


def arrays(save=np.savez_compressed, **changes):
    """An .npz, and the hash of what it holds."""
    content, held = io.BytesIO(), {"b": np.arange(9), "a": np.ones((2, 3), np.uint8)} | changes
    save(content, **held)
    digest = hashlib.sha256()
    for name in sorted(held):
        member = io.BytesIO()
        np.save(member, held[name])
        digest.update(member.getvalue())
    return content.getvalue(), digest.hexdigest()


def test_arrays_are_known_by_what_they_hold_however_they_are_packed(cache):
    packed, sha256 = arrays()
    other, _ = arrays(np.savez)
    assert packed != other
    for content in (packed, other):
        read = read_files({"set/c.npz": sha256}, lambda _, content=content: {"set/c.npz": content})
        assert read == {"set/c.npz": content}
        assert (cache / "set/c.npz").read_bytes() == content
        (cache / "set/c.npz").unlink()


@pytest.mark.parametrize("damage", ["cut", "flipped", "other", "nozip"])
def test_damaged_arrays_are_built_again(cache, damage):
    packed, sha256 = arrays(np.savez)
    read_files({"set/c.npz": sha256}, lambda _: {"set/c.npz": packed})
    middle = len(packed) // 3
    (cache / "set/c.npz").write_bytes(
        {
            "cut": packed[:-9],
            "flipped": packed[:middle] + bytes([packed[middle] ^ 1]) + packed[middle + 1 :],
            "other": arrays(b=np.arange(8))[0],
            "nozip": b"plain",
        }[damage]
    )
    read = read_files({"set/c.npz": sha256}, lambda _: {"set/c.npz": packed})
    assert read == {"set/c.npz": packed}
    assert (cache / "set/c.npz").read_bytes() == packed


def test_of_many_that_ask_at_once_one_builds(cache):
    built = []

    def slowly(archives):
        built.append(threading.get_ident())
        threading.Event().wait(0.2)
        return build(archives)

    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(read_files, FILES, slowly) for _ in range(5)]
    assert [one.result() for one in asked] == [CONTENTS] * 5
    assert len(built) == 1


# ---- what is computed ---------------------------------------------------------------------------


def unread(_path):
    raise AssertionError("this was made")


@pytest.mark.parametrize("damage", [None, b"", b"half a", b'{"other": 1}'])
def test_what_is_kept_is_made_once_and_again_where_it_is_damaged(cache, damage):
    made = []

    def ask():
        return kept(
            "of/this.json",
            read=lambda path: json.loads(path.read_bytes())["number"],
            make=lambda: made.append("made") or 7,
            write=lambda path, number: write_whole(path, json.dumps({"number": number}).encode()),
        )

    assert (ask(), ask(), made) == (7, 7, ["made"])
    path = cache / "of/this.json"
    path.unlink() if damage is None else path.write_bytes(damage)
    assert (ask(), ask(), made) == (7, 7, ["made", "made"])


def test_what_is_there_is_read_without_a_lock(cache):
    """So also from a folder that the reader may not write to."""
    kept("a", Path.read_bytes, lambda: b"made", write_whole)
    (cache / "a.lock").unlink(missing_ok=True)
    assert kept("a", Path.read_bytes, unread, unread) == b"made"
    assert [path.name for path in cache.iterdir()] == ["a"]


def test_what_could_not_be_made_is_not_kept(cache):
    for _ in range(2):  # and the lock is free again
        with pytest.raises(ZeroDivisionError):
            kept("a", Path.read_bytes, lambda: 1 // 0, write_whole)
    assert not (cache / "a").exists()


def test_of_many_that_ask_at_once_one_makes(cache):
    made = []

    def slowly():
        made.append(threading.get_ident())
        threading.Event().wait(0.2)
        return b"made"

    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(kept, "a", Path.read_bytes, slowly, write_whole) for _ in range(5)]
    assert [one.result() for one in asked] == [b"made"] * 5
    assert len(made) == 1


def test_a_key_tells_values_and_bytes_apart_and_not_their_order():
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1})
    keys = [key({}), key({"a": 1}), key({"a": 1.5}), key({"a": 1}, b"x"), key({"a": 1}, b"y")]
    assert len(set(keys)) == len(keys)


def test_importing_the_library_says_nothing_in_a_notebook():
    # pooch loads tqdm's bar for notebooks, which warns where there are no widgets.
    code = "import sys, mdlib.studies.text; sys.exit('pooch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

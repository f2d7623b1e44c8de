"""Small data sets under the names of the large, which a model learns in a few steps."""

import gzip
import hashlib
import json
import random
import zipfile
from dataclasses import replace

import pytest

from mdlib.data.text.sets import SETS


def texts(count, least, most, seed):
    """Random words, and one in three that tells the label; even ones are positive."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        label = (number + 1) % 2
        told = ("good", "fine", "great") if label else ("bad", "dull", "awful")
        words = [
            draw.choice(told) if draw.random() < 1 / 3 else f"w{draw.randrange(100)}"
            for _ in range(draw.randint(least, most))
        ]
        rows.append((" ".join([draw.choice(told), *words]), label))
    return rows


def reviews(rows):
    """Texts and labels as a file of IMDb."""
    lines = (
        json.dumps({"text": text, "label": label, "rating": 5, "id": 0}, ensure_ascii=False)
        for text, label in rows
    )
    return "".join(f"{line}\n" for line in lines).encode()


def phrases(rows):
    """Texts and labels as a file of SST-2."""
    return "".join(f"{a}\t{b}\n" for a, b in [("sentence", "label"), *rows]).encode()


def sha256_of_members(npz):
    """What an .npz, an open file, is known by: its members in the order of their names."""
    with zipfile.ZipFile(npz) as archive:
        members = [archive.read(name) for name in sorted(archive.namelist())]
    return hashlib.sha256(b"".join(members)).hexdigest()


def publish(contents, monkeypatch, folder=None):
    """Let the sets of texts be known by these contents; put them into the folder, if one is given.

    Parameters
    ----------
    contents : dict from the name of a file, as ``sst2/dev.tsv.gz``, to its unpacked bytes
    """
    for name, published in SETS.items():
        files = {
            file: hashlib.sha256(contents[file]).hexdigest() if file in contents else sha256
            for file, sha256 in published.files.items()
        }
        monkeypatch.setitem(SETS, name, replace(published, files=files))
    if folder is not None:
        for file, content in contents.items():
            path = folder / file
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(gzip.compress(content))
        monkeypatch.setenv("MDLIB_DATA", str(folder))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache in place of the user's, and no MDLIB_DATA."""
    monkeypatch.delenv("MDLIB_DATA", raising=False)
    monkeypatch.setattr("mdlib.files.store.cache_folder", lambda: tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Let MDLIB_DATA hold the small data sets; return the folder, whose cache/ is the user's."""
    store(tmp_path, monkeypatch)
    return tmp_path


def store(folder, monkeypatch):
    """Publish the small data sets from data/ in the folder, with a cache/ beside it."""
    train, test = texts(100, 5, 40, seed=0), texts(30, 5, 40, seed=1)
    dev, sentences = texts(20, 4, 9, seed=3), texts(22, 4, 9, seed=4)
    contents = {
        "imdb/train.jsonl.gz": reviews([*train, test[0], test[1]]),
        "imdb/test.jsonl.gz": reviews(test),
        "sst2/train.tsv.gz": phrases([*texts(120, 1, 9, seed=2), dev[0], sentences[0]]),
        "sst2/dev.tsv.gz": phrases(dev),
        "sst2/test.tsv.gz": phrases(sentences),
    }
    publish(contents, monkeypatch, folder / "data")
    monkeypatch.setattr("mdlib.files.store.cache_folder", lambda: folder / "cache")

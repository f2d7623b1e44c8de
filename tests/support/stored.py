"""Small data sets under the names of the large, which a model learns in a few steps."""

import gzip
import hashlib
import json
import random

import pytest

from mdlib.data.text import sets as module


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
    lines = (json.dumps({"text": text, "label": label}) for text, label in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def phrases(rows):
    return "".join(f"{a}\t{b}\n" for a, b in [("sentence", "label"), *rows]).encode()


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Let MDLIB_DATA hold the small data sets; return the folder, whose cache/ is the user's."""
    train, test = texts(100, 5, 40, seed=0), texts(30, 5, 40, seed=1)
    dev, sentences = texts(20, 4, 9, seed=3), texts(22, 4, 9, seed=4)
    contents = {
        "imdb/train.jsonl.gz": reviews([*train, test[0], test[1]]),
        "imdb/test.jsonl.gz": reviews(test),
        "sst2/train.tsv.gz": phrases([*texts(120, 1, 9, seed=2), dev[0], sentences[0]]),
        "sst2/dev.tsv.gz": phrases(dev),
        "sst2/test.tsv.gz": phrases(sentences),
    }
    for files in (module._IMDB, module._SST2):
        for name in files:
            path = tmp_path / "data" / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(gzip.compress(contents[name]))
            monkeypatch.setitem(files, name, hashlib.sha256(contents[name]).hexdigest())
    monkeypatch.setenv("MDLIB_DATA", str(tmp_path / "data"))
    monkeypatch.setattr("mdlib.data.text.encoded.cache_folder", lambda: tmp_path / "cache")
    return tmp_path

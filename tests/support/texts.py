"""Small data sets of texts in the files and under the names of the large."""

import gzip
import hashlib
import json
import random

import mdlib.data.text.sets as module


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
    """A file of IMDb."""
    lines = (json.dumps({"text": a, "label": b}, ensure_ascii=False) for a, b in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def phrases(rows):
    """A file of SST-2."""
    return "".join(f"{a}\t{b}\n" for a, b in [("sentence", "label"), *rows]).encode()


def store(contents, folder, monkeypatch):
    """Let MDLIB_DATA be a folder that holds these contents by name, with hashes to match."""
    for files in (module._IMDB, module._SST2):
        for name in files:
            path = folder / name
            path.parent.mkdir(exist_ok=True, parents=True)
            path.write_bytes(gzip.compress(contents[name]))
            monkeypatch.setitem(files, name, hashlib.sha256(contents[name]).hexdigest())
    monkeypatch.setenv("MDLIB_DATA", str(folder))

"""The texts of IMDb and SST-2 as token ids, computed once and kept in the user's cache.

Splitting IMDb by near texts, training its tokenizer and encoding it takes most of a minute; the
runs of a sweep share the result. It is known by a hash of the texts and of all that was done to
them, so what is found belongs to what was asked.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from mdlib.data.text.sets import TextData, load_imdb, load_sst2
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.files.store import cache_folder, write_whole

Name = Literal["imdb", "sst2"]
Part = Literal["train", "validation", "test"]

_HELD_OUT = 0.1  # of IMDb's reviews to train on, which has no validation part of its own
_FORMAT = 1  # of the files, and of what is done here


class Encoded(NamedTuple):
    """Sequences of ids, [CLS] first, int64 and uncut, and their labels, int64 (n,)."""

    ids: list[Tensor]
    labels: Tensor


def load_encoded(
    name: Name, vocabulary: int, parts: Sequence[Part] = ("train", "validation")
) -> tuple[Tokenizer, dict[Part, Encoded]]:
    """Load the parts of a data set as ids.

    Texts to train on that are in another part are left out. SST-2 has its own validation part,
    ``dev``, of whole sentences as in the test. Of IMDb a tenth of the reviews is held out, near
    texts together, the same ones always. The tokenizer is trained on the rest.

    Parameters
    ----------
    name : {"imdb", "sst2"}
    vocabulary : int
        Largest number of tokens.
    parts : sequence of {"train", "validation", "test"}

    Returns
    -------
    tokenizer : Tokenizer
    parts : dict from name to Encoded

    Raises
    ------
    UnavailableError
        If the data set is not here and cannot be fetched.
    ValueError
        For another name, or a vocabulary too small for the texts' characters.

    Examples
    --------
    >>> tokenizer, parts = load_encoded("sst2", vocabulary=8_000)  # doctest: +SKIP
    >>> len(parts["validation"].ids)  # doctest: +SKIP
    872
    """
    texts = _load(name)
    folder = cache_folder() / "encoded" / _key(texts, vocabulary)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):  # of several processes one encodes
        if (tokenizer := _read_tokenizer(folder / "tokenizer.json")) is None:
            tokenizer = Tokenizer.train(_split(texts, "train").texts, vocabulary)
            tokenizer.save(folder / "tokenizer.json")
        found = {}
        for part in parts:
            path = folder / f"{part}.npz"
            if (encoded := _read(path)) is None:
                chosen = _split(texts, part)
                encoded = Encoded(tokenizer.encode(chosen.texts, 2**31), chosen.labels)
                _write(path, encoded)
            found[part] = encoded
    return tokenizer, found


def _load(name: str) -> dict[str, TextData]:
    if name == "imdb":
        return dict(zip(("train", "test"), load_imdb(exclude_shared=True), strict=True))
    if name == "sst2":
        names = ("train", "validation", "test")
        return dict(zip(names, load_sst2(exclude_shared=True), strict=True))
    raise ValueError(f"data must be imdb or sst2, got {name!r}")


def _split(texts: dict[str, TextData], part: str) -> TextData:
    if part == "test" or "validation" in texts:
        return texts[part]
    return dict(zip(("train", "validation"), texts["train"].split(_HELD_OUT), strict=True))[part]


def _key(texts: dict[str, TextData], vocabulary: int) -> str:
    how = {
        "format": _FORMAT,
        "held out": _HELD_OUT,
        "vocabulary": vocabulary,
        "tokenizers": version("tokenizers"),
    }
    digest = hashlib.sha256(json.dumps(how).encode())
    for part, data in texts.items():
        digest.update(json.dumps([part, data.run, data.labels.tolist(), data.texts]).encode())
    return digest.hexdigest()[:32]


def _read_tokenizer(path: Path) -> Tokenizer | None:
    try:
        return Tokenizer.load(path)
    except (FileNotFoundError, ValueError):  # damaged: made again, which gives the same
        return None


def _read(path: Path) -> Encoded | None:
    try:
        content = io.BytesIO(path.read_bytes())  # of a half file np.load forgets to close it
        with np.load(content, allow_pickle=False) as file:
            ids, ends, labels = (torch.from_numpy(file[x]) for x in ("ids", "ends", "labels"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return Encoded(list(ids.long().tensor_split(ends[:-1])), labels)


def _write(path: Path, encoded: Encoded) -> None:
    lengths = [len(one) for one in encoded.ids]
    content = io.BytesIO()
    np.savez(
        content,
        ids=torch.cat(encoded.ids).int().numpy(),
        ends=np.cumsum(lengths),
        labels=encoded.labels.numpy(),
    )
    write_whole(path, content.getvalue())

"""The texts of a published set as token ids, computed once and kept in the user's cache.

Splitting IMDb by near texts, training its tokenizer and encoding it takes most of a minute; the
runs of a sweep share the result. Its name is a hash of all that decides it: of the hashes by which
the published files are known, not of what is in them. So they are read only to compute it.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from mdlib.data.labelled import Labelled, Part
from mdlib.data.text.labelled import TextData
from mdlib.data.text.sets import SETS, Name, TextSet
from mdlib.data.text.tokenizer import Tokenizer
from mdlib.files.atomic import write_whole
from mdlib.files.store import kept, key

_HELD_OUT = 0.1  # of the texts to train on, where a set has no validation part of its own

# To be raised with each change of what the files hold: how a set is loaded or split, how a
# tokenizer is trained, how its ids are stored.
_FORMAT = 2


@dataclass(frozen=True, repr=False, eq=False)
class Encoded(Labelled):
    """Texts as ids.

    Attributes
    ----------
    name : str
    ids : tuple of int64 tensor (T_i,)
        [CLS] first.
    labels : int64 tensor (n,)

    Examples
    --------
    >>> ids = (torch.tensor([2, 7, 5]), torch.tensor([2, 9]))
    >>> encoded = Encoded("two", ids, torch.tensor([1, 0]))
    >>> encoded
    two: 2 texts, 5 tokens
    >>> encoded[[1]].ids, encoded.cut(1)
    ((tensor([2, 9]),), two: 2 texts, 2 tokens)
    """

    name: str
    ids: tuple[Tensor, ...]
    labels: Tensor

    columns: ClassVar = ("ids",)

    def __repr__(self) -> str:
        return f"{self.name}: {len(self)} texts, {sum(map(len, self.ids))} tokens"

    def cut(self, max_length: int) -> Encoded:
        """Return the first so many ids of each text."""
        return replace(self, ids=tuple(one[:max_length] for one in self.ids))


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
        Uncut.

    Raises
    ------
    UnavailableError
        If it was not yet computed, and the data set is not here and cannot be fetched.
    ValueError
        For another name, or a vocabulary too small for the texts' characters.

    Examples
    --------
    >>> tokenizer, parts = load_encoded("sst2", vocabulary=8_000)  # doctest: +SKIP
    >>> parts["validation"]  # doctest: +SKIP
    SST-2 dev: 872 texts, 21773 tokens
    """
    if name not in SETS:
        raise ValueError(f"data must be {' or '.join(SETS)}, got {name!r}")
    texts = _Texts(SETS[name])
    how = {
        "format": _FORMAT,
        "files": dict(texts.published.files),
        "near": texts.published.run,
        "held out": _HELD_OUT,
        "vocabulary": vocabulary,
        "tokenizers": version("tokenizers"),
    }
    folder = f"encoded/{key(how)}"
    tokenizer = kept(
        f"{folder}/tokenizer.json",
        read=Tokenizer.load,
        make=lambda: Tokenizer.train(texts["train"].texts, vocabulary),
        write=lambda path, made: made.save(path),
    )

    def encode(part: Part) -> Encoded:
        ids = tokenizer.encode(texts[part].texts, 2**31)
        return Encoded(texts[part].name, tuple(ids), texts[part].labels)

    return tokenizer, {
        part: kept(f"{folder}/{part}.npz", _read, partial(encode, part), _write) for part in parts
    }


class _Texts:
    """The parts of a published set, loaded and split when one is asked for."""

    def __init__(self, published: TextSet) -> None:
        self.published = published

    def __getitem__(self, part: Part) -> TextData:
        return self._loaded[-1] if part == "test" else self._split[part == "validation"]

    @cached_property
    def _loaded(self) -> tuple[TextData, ...]:
        return self.published.load(exclude_shared=True)

    @cached_property
    def _split(self) -> tuple[TextData, TextData]:
        train, validation, *test = self._loaded
        return (train, validation) if test else train.split(_HELD_OUT)


def _read(path: Path) -> Encoded:
    content = io.BytesIO(path.read_bytes())  # of a half file np.load forgets to close it
    with np.load(content, allow_pickle=False) as file:
        ids, ends, labels = (torch.from_numpy(file[x]) for x in ("ids", "ends", "labels"))
        return Encoded(str(file["name"]), ids.long().tensor_split(ends[:-1]), labels)


def _write(path: Path, encoded: Encoded) -> None:
    content = io.BytesIO()
    np.savez(
        content,
        name=np.array(encoded.name),
        ids=torch.cat(encoded.ids).int().numpy(),
        ends=np.cumsum([len(one) for one in encoded.ids]),
        labels=encoded.labels.numpy(),
    )
    write_whole(path, content.getvalue())

"""Labelled texts: IMDb's film reviews, and the phrases of the Stanford Sentiment Treebank.

Both are found or fetched by `mdlib.files.store`, in these files of one layout:

- ``imdb/{train,test}.jsonl.gz``, 25,000 reviews each (Maas et al., 2011);
- ``sst2/{train,dev,test}.tsv.gz``, 67,349 phrases, 872 and 1,821 sentences (Socher et al., 2013;
  the selection is that of GLUE).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from mdlib.data.text.archives import build_imdb, build_sst2
from mdlib.data.text.near import held_out_groups, near_groups
from mdlib.files.store import read_files

_IMDB = {
    "imdb/train.jsonl.gz": "a6b2b20eb2d480c353da561a0bf76f8f9ef52b240d2f9b142e182740ca221af7",
    "imdb/test.jsonl.gz": "5a807bec753013e307e36ebd4547a2d89f7f4da5dd8065daa7e1f7f721130a81",
}
_SST2 = {
    "sst2/train.tsv.gz": "4c5e12ec5fabed1f7aa8b4fde0f0257412d76ab9c4314bb1eec46ba80c7a4438",
    "sst2/dev.tsv.gz": "db8f4a5951968681dadc4c6ddaf53e8ba31a1436574072c3fa6273a5d333b35a",
    "sst2/test.tsv.gz": "7493e510519679c1c3e4fd705bdee123bf33f8b571a5ea245e74967cbf3a0f89",
}


@dataclass(frozen=True, repr=False, eq=False)
class TextData:
    """Texts with their labels.

    Attributes
    ----------
    name : str
    texts : tuple of str
    labels : int64 tensor (n,)
        1 for positive, 0 for negative.
    run : int
        How many consecutive words two of these texts share if they are near
        (`mdlib.data.text.near`).
    also_in : dict from str to bool tensor (n,)
        For each other part of the data set, True where it holds the same text.

    Examples
    --------
    >>> data = TextData("two reviews", ("so good", "so bad"), torch.tensor([1, 0]), run=10)
    >>> data
    two reviews: 2 texts, 1 positive
    >>> data[[1]].texts
    ('so bad',)
    """

    name: str
    texts: tuple[str, ...]
    labels: Tensor
    run: int
    also_in: dict[str, Tensor] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, rows: Sequence[int] | Tensor) -> TextData:
        """Return the rows of these numbers, in this order."""
        rows = torch.as_tensor(rows, dtype=torch.int64)
        return TextData(
            self.name,
            tuple(self.texts[i] for i in rows.tolist()),
            self.labels[rows],
            self.run,
            {part: shared[rows] for part, shared in self.also_in.items()},
        )

    def __repr__(self) -> str:
        shared = [f"{int(rows.sum())} also in {part}" for part, rows in self.also_in.items()]
        counts = [f"{len(self)} texts", f"{int(self.labels.sum())} positive", *shared]
        return f"{self.name}: {', '.join(counts)}"

    def split(self, fraction: float = 0.1, seed: int = 0) -> tuple[TextData, TextData]:
        """Hold out a validation part that shares no near text with the rest.

        Near texts stay together (`mdlib.data.text.near`): no run of `run` consecutive words, and no
        whole text, stands on both sides.

        Parameters
        ----------
        fraction : float
            Of the texts, strictly between 0 and 1, to hold out.
        seed : int

        Returns
        -------
        train, validation : TextData
            Each in the order of the data, which for IMDb alternates the classes.

        Raises
        ------
        ValueError
            If fraction is not between 0 and 1, or no group of near texts is that small.

        Examples
        --------
        >>> texts = ("a fine film", "a fine film !", "dull", "long", "loud")
        >>> data = TextData("five", texts, torch.tensor([1, 1, 0, 0, 0]), run=3)
        >>> train, validation = data.split(fraction=0.4)
        >>> train.texts, validation.texts
        (('a fine film', 'a fine film !', 'loud'), ('dull', 'long'))
        """
        held_out = held_out_groups(near_groups(self.texts, self.run), fraction, seed)
        train, validation = (
            self[torch.from_numpy(np.flatnonzero(x))] for x in (~held_out, held_out)
        )
        return replace(train, name=f"{self.name}, rest"), replace(
            validation, name=f"{self.name}, held out"
        )


def load_imdb(exclude_shared: bool = False) -> tuple[TextData, TextData]:
    """Load the 25,000 reviews to train on and the 25,000 to test on.

    The texts are as their writers left them, ``<br />`` included. Neighbours are often reviews of
    the same film. Which film is not stored, so a split keeps near texts together but not films.

    Parameters
    ----------
    exclude_shared : bool
        Leave out of train the 123 texts that are in test too. They are counted in what the data
        prints, and marked in `also_in`.

    Returns
    -------
    train, test : TextData
        In the order of their numbers, negative and positive by turns.

    Raises
    ------
    UnavailableError
        If the files are not here and cannot be fetched.

    Examples
    --------
    >>> train, test = load_imdb()  # doctest: +SKIP
    >>> train  # doctest: +SKIP
    IMDb train: 25000 texts, 12500 positive, 123 also in test
    """
    parts = {}
    for name, content in read_files(_IMDB, build_imdb).items():
        reviews = [json.loads(line) for line in content.decode().split("\n")[:-1]]
        parts[_part(name)] = [(review["text"], review["label"]) for review in reviews]
    # Ten words in a row are rarely shared by chance; eight join over a thousand into one group.
    train, test = _text_data("IMDb", parts, run=10, exclude_shared=exclude_shared)
    return train, test


def load_sst2(exclude_shared: bool = False) -> tuple[TextData, TextData, TextData]:
    """Load the 67,349 phrases to train on, and the sentences for validation and for the test.

    Train holds whole sentences and the phrases within them, each with its own label; dev and test
    hold other sentences, whole. The texts are in lower case with their punctuation set apart.

    Parameters
    ----------
    exclude_shared : bool
        Leave out of train the phrase that is also a sentence of test.

    Returns
    -------
    train, dev, test : TextData

    Raises
    ------
    UnavailableError
        If the files are not here and cannot be fetched.

    Examples
    --------
    >>> train, dev, test = load_sst2()  # doctest: +SKIP
    >>> train  # doctest: +SKIP
    SST-2 train: 67349 texts, 37569 positive, 0 also in dev, 1 also in test
    """
    parts = {}
    for name, content in read_files(_SST2, build_sst2).items():
        lines = content.decode().split("\n")[1:-1]
        pairs = (line.split("\t") for line in lines)
        parts[_part(name)] = [(phrase, int(label)) for phrase, label in pairs]
    # Five words in a row tie a phrase to its sentence; four would tie most sentences together.
    train, dev, test = _text_data("SST-2", parts, run=5, exclude_shared=exclude_shared)
    return train, dev, test


def _part(name: str) -> str:
    """The part that a file holds: ``imdb/train.jsonl.gz`` is train."""
    return name.rpartition("/")[2].partition(".")[0]


def _text_data(
    name: str, parts: dict[str, list[tuple[str, int]]], run: int, exclude_shared: bool
) -> list[TextData]:
    distinct = {part: {text for text, _ in rows} for part, rows in parts.items()}
    if exclude_shared:
        elsewhere = set().union(*(distinct[part] for part in parts if part != "train"))
        parts = parts | {"train": [row for row in parts["train"] if row[0] not in elsewhere]}
        distinct["train"] -= elsewhere
    return [
        TextData(
            f"{name} {part}",
            tuple(text for text, _ in rows),
            torch.tensor([label for _, label in rows]),
            run,
            {
                other: torch.tensor([text in distinct[other] for text, _ in rows])
                for other in parts
                if other != part
            },
        )
        for part, rows in parts.items()
    ]

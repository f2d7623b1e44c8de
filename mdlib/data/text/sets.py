"""Published sets of labelled texts: IMDb's film reviews, the Stanford Sentiment Treebank's phrases.

Both are found or fetched by `mdlib.files.store`, in these files of one layout:

- ``imdb/{train,test}.jsonl.gz``, 25,000 reviews each (Maas et al., 2011);
- ``sst2/{train,dev,test}.tsv.gz``, 67,349 phrases, 872 and 1,821 sentences (Socher et al., 2013;
  the selection is that of GLUE).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from mdlib.data.text.archives import build_imdb, build_sst2
from mdlib.data.text.labelled import TextData
from mdlib.files.store import Build, read_files

Name = Literal["imdb", "sst2"]
Row = tuple[str, int]  # a text and its label


@dataclass(frozen=True)
class TextSet:
    """A published set of texts.

    Attributes
    ----------
    name : str
    files : mapping from name to sha256
        One for each part; see `mdlib.files.store.read_files`.
    build : function
        Fetches and converts them.
    parse : function
        From the lines of a file to texts and labels.
    run : int
        How many consecutive words two texts share if they are near.
    """

    name: str
    files: Mapping[str, str]
    build: Build
    parse: Callable[[list[str]], list[Row]]
    run: int

    def load(self, exclude_shared: bool = False) -> tuple[TextData, ...]:
        """Return the parts, train first and test last.

        Parameters
        ----------
        exclude_shared : bool
            Leave out of train the texts that are in another part too.

        Raises
        ------
        UnavailableError
            If the files are not here and cannot be fetched.
        """
        contents = read_files(self.files, self.build)
        parts = {
            name.rpartition("/")[2].partition(".")[0]: self.parse(content.decode().split("\n")[:-1])
            for name, content in contents.items()
        }
        if exclude_shared:
            elsewhere = {text for part in parts if part != "train" for text, _ in parts[part]}
            parts["train"] = [row for row in parts["train"] if row[0] not in elsewhere]
        distinct = {part: {text for text, _ in rows} for part, rows in parts.items()}
        return tuple(
            TextData(
                f"{self.name} {part}",
                tuple(text for text, _ in rows),
                torch.tensor([label for _, label in rows]),
                self.run,
                {
                    other: torch.tensor([text in distinct[other] for text, _ in rows])
                    for other in parts
                    if other != part
                },
            )
            for part, rows in parts.items()
        )


def _reviews(lines: list[str]) -> list[Row]:
    return [(review["text"], review["label"]) for review in map(json.loads, lines)]


def _phrases(lines: list[str]) -> list[Row]:
    pairs = (line.split("\t") for line in lines[1:])
    return [(phrase, int(label)) for phrase, label in pairs]


SETS: dict[str, TextSet] = {
    "imdb": TextSet(
        "IMDb",
        {
            "imdb/train.jsonl.gz": (
                "a6b2b20eb2d480c353da561a0bf76f8f9ef52b240d2f9b142e182740ca221af7"
            ),
            "imdb/test.jsonl.gz": (
                "5a807bec753013e307e36ebd4547a2d89f7f4da5dd8065daa7e1f7f721130a81"
            ),
        },
        build_imdb,
        _reviews,
        run=10,  # rarely shared by chance; eight join over a thousand reviews into one group
    ),
    "sst2": TextSet(
        "SST-2",
        {
            "sst2/train.tsv.gz": "4c5e12ec5fabed1f7aa8b4fde0f0257412d76ab9c4314bb1eec46ba80c7a4438",
            "sst2/dev.tsv.gz": "db8f4a5951968681dadc4c6ddaf53e8ba31a1436574072c3fa6273a5d333b35a",
            "sst2/test.tsv.gz": "7493e510519679c1c3e4fd705bdee123bf33f8b571a5ea245e74967cbf3a0f89",
        },
        build_sst2,
        _phrases,
        run=5,  # tie a phrase to its sentence; four would tie most sentences together
    ),
}


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
    train, test = SETS["imdb"].load(exclude_shared)
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
    train, dev, test = SETS["sst2"].load(exclude_shared)
    return train, dev, test

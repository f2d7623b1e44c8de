"""The authors' archives of IMDb and SST-2, turned into the files of our layout.

Members are read in memory and never unpacked to disk, so no archive can write anywhere.
"""

from __future__ import annotations

import json
import re
import tarfile
import zipfile
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from tqdm import tqdm

from mdlib.files.fetch import Source, fetch

# Stanford publishes no hash of its archive; this md5 is the one that other libraries agree on.
IMDB = Source(
    "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
    "md5:7c2ac02c03563afcf9b574c7e56c153a",
)
GLUE = Source(
    "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
    "d67e16fb55739c1b32cdce9877596db1c127dc322d93c082281f64057c16deaa",
)
TREEBANK = Source(
    "https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip",
    "5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc",
)

_REVIEW = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")
_TREE_TOKEN = re.compile(r"\(\d ([^()]+)\)")


def build_imdb(archives: Path) -> dict[str, bytes]:
    """Fetch the archive of Maas et al. into the folder and convert it."""
    return imdb_files(fetch(IMDB, archives))


def imdb_files(archive: Path) -> dict[str, bytes]:
    """Convert the reviews: ordered by id, negative before positive, one JSON object a line.

    The archive names a review ``<id>_<rating>.txt``; its text is kept as it is.
    """
    rows: dict[str, list[tuple[int, int, int, str]]] = {"train": [], "test": []}
    with tarfile.open(archive, "r|*") as tar:
        for member in tqdm(tar, desc=archive.name, unit="file"):
            match = _REVIEW.fullmatch(member.name)
            content = tar.extractfile(member) if match and member.isfile() else None
            if match and content:
                part, sign, number, rating = match.groups()
                text = content.read().decode()
                rows[part].append((int(number), int(sign == "pos"), int(rating), text))
    return {f"imdb/{part}.jsonl.gz": _json_lines(sorted(rows[part])) for part in rows}


def _json_lines(reviews: Sequence[tuple[int, int, int, str]]) -> bytes:
    lines = (
        json.dumps(
            {"text": text, "label": label, "rating": rating, "id": number}, ensure_ascii=False
        )
        for number, label, rating, text in reviews
    )
    return "".join(f"{line}\n" for line in lines).encode()


def build_sst2(archives: Path) -> dict[str, bytes]:
    """Fetch GLUE's archive and the treebank's into the folder and convert them."""
    return sst2_files(fetch(GLUE, archives), fetch(TREEBANK, archives), sst2_test_order())


def sst2_test_order() -> list[int]:
    """Return which of the alphabetically sorted test sentences comes first, which second, ...

    The file with labels is handed around in an order that neither archive holds.
    """
    stored = resources.files("mdlib").joinpath("data/text/sst2_test_order.json")
    order: list[int] = json.loads(stored.read_bytes())
    return order


def sst2_files(glue: Path, treebank: Path, order: Sequence[int]) -> dict[str, bytes]:
    """Convert GLUE's train and dev phrases, and its test sentences with the treebank's labels.

    GLUE hides the labels of its test sentences. Each of them is the whole of one tree in the
    treebank's test part, whose root holds its class from 0 to 4: below 2 is negative, above it
    positive.

    Parameters
    ----------
    glue, treebank : Path
    order : sequence of int
        Of the test sentences, as `sst2_test_order` gives it.

    Raises
    ------
    ValueError
        If the treebank does not have one of the test sentences.
    """
    with zipfile.ZipFile(glue) as archive:
        train, dev, test = (
            _columns(archive.read(f"SST-2/{part}.tsv")) for part in ("train", "dev", "test")
        )
    with zipfile.ZipFile(treebank) as archive:
        trees = archive.read("trees/test.txt").decode().strip().split("\n")
    root = {_letters(" ".join(_TREE_TOKEN.findall(tree))): int(tree[1]) for tree in trees}
    sentences = sorted(sentence for _, sentence in test)
    absent = [sentence for sentence in sentences if _letters(sentence) not in root]
    if absent:
        raise ValueError(f"the treebank's test part lacks {len(absent)} sentences: {absent[0]!r}")
    labelled = [(sentences[i], str(int(root[_letters(sentences[i])] > 2))) for i in order]
    return {
        "sst2/train.tsv.gz": _tsv(train),
        "sst2/dev.tsv.gz": _tsv(dev),
        "sst2/test.tsv.gz": _tsv(labelled),
    }


def _columns(tsv: bytes) -> list[tuple[str, str]]:
    """The two columns of a file without quoting, the header left out."""
    lines = tsv.decode().split("\n")[1:]
    pairs = (line.split("\t") for line in lines if line)
    return [(left.strip(), right.strip()) for left, right in pairs]


def _tsv(rows: Sequence[tuple[str, str]]) -> bytes:
    return "".join(f"{left}\t{right}\n" for left, right in [("sentence", "label"), *rows]).encode()


def _letters(sentence: str) -> str:
    """What both agree on: GLUE and the treebank escape brackets and accents each its own way."""
    return re.sub(r"-[lr]rb-|[^a-z0-9]", "", sentence.lower())

"""The authors' archives, imitated from the files of our layout, are converted back to those."""

import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mdlib.data.text import archives
from mdlib.data.text.archives import build_imdb, build_sst2, imdb_files, sst2_files, sst2_test_order
from mdlib.data.text.sets import load_sst2
from mdlib.files.fetch import Source, UnavailableError
from tests.support.stored import publish

needs_data = pytest.mark.skipif(
    "MDLIB_DATA" not in os.environ, reason="MDLIB_DATA names no folder with the real data"
)

REVIEWS = {
    "train": [("Awful.<br />Not “good”.\n", 0, 1, 0), ('Crème \\ "brûlée"\u2028', 1, 10, 0)],
    "test": [("dull", 0, 4, 0), ("fine", 1, 7, 0), ("Café\x85", 0, 3, 1)],
}


def layout(reviews):
    return {
        f"imdb/{part}.jsonl.gz": "".join(
            json.dumps(
                dict(zip(("text", "label", "rating", "id"), row, strict=True)), ensure_ascii=False
            )
            + "\n"
            for row in rows
        ).encode()
        for part, rows in reviews.items()
    }


def imdb_archive(path, reviews, mode="w:gz"):
    """An archive like the authors': other files among the reviews, which come in no order."""
    with tarfile.open(path, mode) as tar:

        def add(name, text):
            member = tarfile.TarInfo(name)
            content = text.encode()
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))

        add("aclImdb/README", "Large Movie Review Dataset v1.0")
        add("aclImdb/train/unsup/0_0.txt", "no label")
        add("../0_9.txt", "elsewhere")
        add("aclImdb/train/pos/0_9.txt.orig", "no review")
        link = tarfile.TarInfo("aclImdb/train/pos/9_9.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for part, rows in reviews.items():
            for text, label, rating, number in sorted(rows):
                sign = ("neg", "pos")[label]
                add(f"aclImdb/{part}/{sign}/{number}_{rating}.txt", text)
    return path


def sst2_archives(folder, train, dev, test):
    """Archives like GLUE's and the treebank's; test rows are (sentence, label), GLUE sorts them."""
    glue, treebank = folder / "SST-2.zip", folder / "trees.zip"
    with zipfile.ZipFile(glue, "w") as archive:
        for part, rows in (("train", train), ("dev", dev)):
            lines = [f"{sentence} \t{label}\n" for sentence, label in rows]
            archive.writestr(f"SST-2/{part}.tsv", "".join(["sentence\tlabel\n", *lines]))
        shuffled = sorted((sentence for sentence, _ in test), key=lambda s: s[::-1])
        lines = [f"{i}\t{sentence}\n" for i, sentence in enumerate(shuffled)]
        archive.writestr("SST-2/test.tsv", "".join(["index\tsentence\n", *lines]))
    with zipfile.ZipFile(treebank, "w") as archive:
        roots = {"0": (0, 1), "1": (3, 4)}  # the treebank tells strong feelings from weak ones
        lines = [
            f"{tree(text, roots[label][i // 2 % 2])}\n" for i, (text, label) in enumerate(test)
        ]
        neutral = tree("neither here nor there", 2)
        archive.writestr("trees/test.txt", "".join([*lines[::2], f"{neutral}\n", *lines[1::2]]))
    return glue, treebank


def tree(sentence, label):
    """A tree as the treebank writes it: capitals, escaped brackets, one pair at a time."""
    escaped = sentence.replace("(", "-LRB-").replace(")", "-RRB-").replace("/", "\\/")
    first, *rest = escaped.capitalize().split(" ")
    text = f"(2 {first})"
    for i, word in enumerate(rest):
        text = f"({label if i == len(rest) - 1 else 2} {text} (2 {word}))"
    return text if rest else f"({label} {first})"


def test_reviews_are_converted_whole_and_in_order(tmp_path):
    archive = imdb_archive(tmp_path / "acl.tar.gz", REVIEWS)
    assert imdb_files(archive) == layout(REVIEWS)
    assert [path.name for path in tmp_path.iterdir()] == ["acl.tar.gz"]


PHRASES = {
    "train": [("so bad", "0"), ('" good " , \\ so', "1"), ("so bad", "0")],
    "dev": [("a crème", "1")],
    "test": [
        ("no yuks ( not much ) .", "0"),
        ("a horror/thriller", "1"),
        ("bad !", "0"),
        ("crème brûlée", "1"),
    ],
}


def tsv(rows):
    return "".join(f"{a}\t{b}\n" for a, b in [("sentence", "label"), *rows]).encode()


def test_phrases_are_stripped_and_test_sentences_labelled_by_their_trees(tmp_path):
    glue, treebank = sst2_archives(tmp_path, **PHRASES)
    sentences = sorted(sentence for sentence, _ in PHRASES["test"])
    order = [sentences.index(sentence) for sentence, _ in PHRASES["test"]]
    expected = {f"sst2/{part}.tsv.gz": tsv(rows) for part, rows in PHRASES.items()}
    assert sst2_files(glue, treebank, order) == expected


def test_a_sentence_without_a_tree_is_named(tmp_path):
    glue, _ = sst2_archives(tmp_path, **PHRASES)
    kept = glue.read_bytes()
    _, treebank = sst2_archives(tmp_path, **PHRASES | {"test": PHRASES["test"][:2]})
    glue.write_bytes(kept)
    with pytest.raises(ValueError, match="lacks 2 sentences: 'bad !'"):
        sst2_files(glue, treebank, range(4))


def test_the_builders_fetch_each_archive_by_its_hash(tmp_path, monkeypatch):
    made = {archives.IMDB: imdb_archive(tmp_path / "acl.tar.gz", REVIEWS)}
    made[archives.GLUE], made[archives.TREEBANK] = sst2_archives(tmp_path, **PHRASES)
    asked = []

    def fetch(source, folder):
        asked.append((source, folder))
        return made[source]

    monkeypatch.setattr(archives, "fetch", fetch)
    monkeypatch.setattr(archives, "sst2_test_order", lambda: [3, 0, 2, 1])
    assert build_imdb(tmp_path) == layout(REVIEWS)
    assert set(build_sst2(tmp_path)) == {f"sst2/{part}.tsv.gz" for part in PHRASES}
    assert asked == [(source, tmp_path) for source in made]


@pytest.fixture
def published(tmp_path, cache, monkeypatch):
    """The small archives on a local server, as if it were their authors', and an empty cache."""
    folder = tmp_path / "published"
    folder.mkdir()
    glue, treebank = sst2_archives(folder, **PHRASES)
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(quiet, directory=folder)) as server:
        for name, path in (("GLUE", glue), ("TREEBANK", treebank)):
            url = f"http://127.0.0.1:{server.server_port}/{path.name}"
            source = Source(url, hashlib.sha256(path.read_bytes()).hexdigest())
            monkeypatch.setattr(archives, name, source)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr("mdlib.files.fetch.RETRIES", 0)
        monkeypatch.setattr(archives, "sst2_test_order", lambda: [3, 0, 2, 1])
        rows = PHRASES | {"test": [sorted(PHRASES["test"])[i] for i in (3, 0, 2, 1)]}
        publish({f"sst2/{part}.tsv.gz": tsv(rows[part]) for part in rows}, monkeypatch)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield folder
        server.shutdown()
        thread.join()


def test_a_data_set_is_fetched_converted_and_then_there_without_the_host(published):
    fetched = load_sst2()
    for archive in published.iterdir():
        archive.unlink()
    again = load_sst2()
    for part, rows in zip(fetched, PHRASES.values(), strict=True):
        loaded = zip(part.texts, part.labels.tolist(), strict=True)
        assert sorted(loaded) == sorted((phrase, int(label)) for phrase, label in rows)
    assert [part.texts for part in again] == [part.texts for part in fetched]


def test_a_host_that_does_not_have_it_is_named(published):
    published.joinpath("SST-2.zip").unlink()
    with pytest.raises(UnavailableError, match=r"^sst2/train.tsv.gz, .*SST-2.zip answered 404 "):
        load_sst2()


def test_the_order_of_the_test_sentences_is_a_permutation():
    assert sorted(sst2_test_order()) == list(range(1821))


def unpacked(name):
    return gzip.decompress(Path(os.environ["MDLIB_DATA"], name).read_bytes())


@needs_data
def test_the_real_reviews_come_back_byte_by_byte(tmp_path):
    files = {f"imdb/{part}.jsonl.gz": unpacked(f"imdb/{part}.jsonl.gz") for part in REVIEWS}
    reviews = {
        part: [tuple(json.loads(line).values()) for line in content.decode().split("\n")[:-1]]
        for part, content in zip(REVIEWS, files.values(), strict=True)
    }
    assert imdb_files(imdb_archive(tmp_path / "acl.tar", reviews, "w")) == files


@needs_data
def test_the_real_phrases_come_back_byte_by_byte(tmp_path):
    files = {f"sst2/{part}.tsv.gz": unpacked(f"sst2/{part}.tsv.gz") for part in PHRASES}
    rows = {
        part: [tuple(line.split("\t")) for line in content.decode().split("\n")[1:-1]]
        for part, content in zip(PHRASES, files.values(), strict=True)
    }
    glue, treebank = sst2_archives(tmp_path, **rows)
    with zipfile.ZipFile(glue) as archive:  # the md5 of GLUE's own members, published by others
        for part, md5 in (
            ("train", "da409a0a939379ed32a470bc0f7fe99a"),
            ("dev", "268856b487b2a31a28c0a93daaff7288"),
        ):
            assert hashlib.md5(archive.read(f"SST-2/{part}.tsv")).hexdigest() == md5
    assert sst2_files(glue, treebank, sst2_test_order()) == files

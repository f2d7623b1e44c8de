"""Labelled texts: rows stay together with their labels, parts know what they share."""

import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import mdlib.data.text.sets as module
from mdlib.data.text.near import near_groups
from mdlib.data.text.sets import TextData, load_imdb, load_sst2
from tests.support.texts import phrases, reviews, store

needs_data = pytest.mark.skipif(
    "MDLIB_DATA" not in os.environ, reason="MDLIB_DATA names no folder with the real data"
)


CONTENTS = {
    "imdb/train.jsonl.gz": reviews([("bad\u2028\x85", 0), ("fine", 1), ("dull", 0), ("fine", 1)]),
    "imdb/test.jsonl.gz": reviews([("awful", 0), ("fine", 1)]),
    "sst2/train.tsv.gz": phrases([('" so', 1), ("so bad", 0), ("dull", 0)]),
    "sst2/dev.tsv.gz": phrases([("dull", 0)]),
    "sst2/test.tsv.gz": phrases([("so bad", 0), ("bad\u2028", 0)]),
}


@pytest.fixture
def stored(tmp_path, monkeypatch):
    """Fewer texts still, with what is awkward in them."""
    store(CONTENTS, tmp_path, monkeypatch)


def test_reviews_are_loaded_with_what_the_parts_share(stored):
    train, test = load_imdb()
    assert train.texts == ("bad\u2028\x85", "fine", "dull", "fine")
    assert train.labels.tolist() == [0, 1, 0, 1]
    assert train.labels.dtype == torch.int64
    assert train.also_in["test"].tolist() == [False, True, False, True]
    assert repr(train) == "IMDb train: 4 texts, 2 positive, 2 also in test"
    assert repr(test) == "IMDb test: 2 texts, 1 positive, 1 also in train"


def test_phrases_are_loaded_with_what_the_parts_share(stored):
    train, dev, test = load_sst2()
    assert (train.texts, train.labels.tolist()) == (('" so', "so bad", "dull"), [1, 0, 0])
    assert repr(train) == "SST-2 train: 3 texts, 1 positive, 1 also in dev, 1 also in test"
    assert repr(dev) == "SST-2 dev: 1 texts, 0 positive, 1 also in train, 0 also in test"
    assert repr(test) == "SST-2 test: 2 texts, 0 positive, 1 also in train, 0 also in dev"


def test_what_is_shared_leaves_train_on_request(stored):
    train, test = load_imdb(exclude_shared=True)
    assert train.texts == ("bad\u2028\x85", "dull")
    assert train.labels.tolist() == [0, 0]
    assert repr(test) == "IMDb test: 2 texts, 1 positive, 0 also in train"
    assert [len(part) for part in load_sst2(exclude_shared=True)] == [1, 1, 2]


@given(rows=st.lists(st.integers(0, 3)))
def test_rows_are_taken_with_all_that_belongs_to_them(rows):
    also = torch.tensor([True, False, False, True])
    data = TextData("four", tuple("abcd"), torch.tensor([0, 1, 0, 1]), 3, {"test": also})
    for taken in (data[rows], data[torch.tensor(rows, dtype=torch.int64)]):
        assert taken.texts == tuple("abcd"[i] for i in rows)
        assert taken.labels.tolist() == [i % 2 for i in rows]
        assert taken.also_in["test"].tolist() == [i in (0, 3) for i in rows]
        assert (taken.name, taken.run, len(taken)) == ("four", 3, len(rows))


def test_a_split_parts_the_rows_and_no_near_texts():
    texts = tuple(f"w{i // 3} x{i // 3} y{i // 3} z{i}" for i in range(60))
    data = TextData("sixty", texts, torch.arange(60) % 2, run=3)
    train, validation = data.split(fraction=0.25, seed=3)
    assert (train.name, validation.name) == ("sixty, rest", "sixty, held out")
    assert len(validation) == 15
    assert sorted(train.texts + validation.texts) == sorted(texts)
    assert not {t[:9] for t in train.texts} & {t[:9] for t in validation.texts}
    for part in (train, validation):
        assert part.labels.tolist() == [texts.index(text) % 2 for text in part.texts]


def sharing(run):
    """Twenty texts in pairs that share so many words, and twenty in pairs that share one less."""
    return [
        " ".join([f"{kind}{i}", *(f"{kind}{i // 2}x{j}" for j in range(shared))])
        for kind, shared in (("near", run), ("apart", run - 1))
        for i in range(20)
    ]


@pytest.mark.parametrize(
    ("load", "written", "run"), [(load_imdb, reviews, 10), (load_sst2, phrases, 5)]
)
def test_near_are_reviews_that_share_ten_words_and_phrases_that_share_five(
    load, written, run, monkeypatch
):
    content = written((text, i % 2) for i, text in enumerate(sharing(run)))
    monkeypatch.setattr(module, "read_files", lambda files, build: dict.fromkeys(files, content))
    data = load()[0]
    apart = 0
    for seed in range(5):
        held_out = set(data.split(0.5, seed)[1].texts)
        sides = [text in held_out for text in data.texts]
        assert sides[:20:2] == sides[1:20:2]
        apart += sides[20::2] != sides[21::2]
    assert apart == 5


@needs_data
def test_the_real_reviews_are_the_published_ones():
    train, test = load_imdb()
    assert repr(train) == "IMDb train: 25000 texts, 12500 positive, 123 also in test"
    assert repr(test) == "IMDb test: 25000 texts, 12500 positive, 123 also in train"
    assert len(load_imdb(exclude_shared=True)[0]) == 25_000 - 123
    assert train.labels[:6].tolist() == [0, 1, 0, 1, 0, 1]
    assert train.texts[1].startswith("Bromwell High is a cartoon comedy.")


@needs_data
def test_the_real_phrases_are_the_published_ones():
    assert [repr(part) for part in load_sst2()] == [
        "SST-2 train: 67349 texts, 37569 positive, 0 also in dev, 1 also in test",
        "SST-2 dev: 872 texts, 444 positive, 0 also in train, 0 also in test",
        "SST-2 test: 1821 texts, 909 positive, 1 also in train, 0 also in dev",
    ]


@needs_data
@pytest.mark.parametrize("load", [load_imdb, load_sst2])
def test_a_split_of_the_real_data_keeps_its_size_and_balance(load):
    data = load()[0]
    train, validation = data.split(fraction=0.1, seed=1)
    assert len(validation) == round(0.1 * len(data))
    assert len(train) + len(validation) == len(data)
    # Within 4 standard deviations of a random draw; groups make it a little wider.
    share = data.labels.double().mean()
    assert abs(validation.labels.double().mean() - share) < 6 * (0.25 / len(validation)) ** 0.5
    groups = near_groups(train.texts + validation.texts, data.run)
    assert not set(groups[: len(train)].tolist()) & set(groups[len(train) :].tolist())

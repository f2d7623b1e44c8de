"""The kept ids are those that the tokenizer would give, and are found without reading the data."""

from dataclasses import replace

import pytest
import torch

from mdlib.data.text import encoded as module
from mdlib.data.text.encoded import load_encoded
from mdlib.data.text.sets import SETS, TextSet, load_imdb, load_sst2
from mdlib.data.text.tokenizer import Tokenizer

PARTS = ("train", "validation", "test")


def same(one, other):
    return torch.equal(one.labels, other.labels) and all(map(torch.equal, one.ids, other.ids))


@pytest.fixture
def no_work(monkeypatch):
    """After this nothing may be read, encoded or trained."""

    def refuse(*args, **kwargs):
        raise AssertionError("this was kept")

    def start():
        monkeypatch.setattr(TextSet, "load", refuse)
        monkeypatch.setattr("mdlib.data.text.sets.read_files", refuse)
        monkeypatch.setattr(Tokenizer, "train", refuse)
        monkeypatch.setattr(Tokenizer, "encode", refuse)

    return start


def test_the_parts_of_sst2_are_its_own(stored):
    tokenizer, parts = load_encoded("sst2", 200, PARTS)
    texts = load_sst2(exclude_shared=True)
    assert len(tokenizer) <= 200
    assert [len(parts[name]) for name in PARTS] == [120, 20, 22]  # none of the others' in train
    for name, data in zip(PARTS, texts, strict=True):
        assert torch.equal(parts[name].labels, data.labels)
        assert all(map(torch.equal, parts[name].ids, tokenizer.encode(data.texts)))
        assert parts[name].name == data.name


def test_imdb_has_a_tenth_held_out_and_what_is_in_the_test_left_out(stored):
    tokenizer, parts = load_encoded("imdb", 400, PARTS)
    train, test = load_imdb(exclude_shared=True)
    rest, held_out = train.split(0.1)
    assert [len(parts[name]) for name in PARTS] == [90, 10, 30]
    for name, data in zip(PARTS, (rest, held_out, test), strict=True):
        assert all(map(torch.equal, parts[name].ids, tokenizer.encode(data.texts)))
    # The tokenizer has seen the rest alone.
    assert torch.equal(
        tokenizer.encode(["w1 w2"])[0], Tokenizer.train(rest.texts, 400).encode(["w1 w2"])[0]
    )


@pytest.mark.parametrize("name", SETS)
def test_what_was_encoded_is_found_without_reading_the_data(name, stored, no_work, monkeypatch):
    first = load_encoded(name, 400, PARTS)
    no_work()
    monkeypatch.delenv("MDLIB_DATA")
    tokenizer, parts = load_encoded(name, 400, PARTS)
    assert len(tokenizer) == len(first[0])
    for part in PARTS:
        assert same(parts[part], first[1][part])
        assert repr(parts[part]) == repr(first[1][part])
    assert list(load_encoded(name, 400, [])[1]) == []


def test_only_the_part_that_is_missing_is_made(stored, monkeypatch):
    """To encode the test part neither is the tokenizer trained again nor are the texts split."""
    load_encoded("imdb", 400)
    assert sorted(path.name for path in stored.glob("cache/encoded/*/*.npz")) == [
        "train.npz",
        "validation.npz",
    ]
    for owner, work in (("tokenizer.Tokenizer", "train"), ("labelled.TextData", "split")):
        monkeypatch.setattr(f"mdlib.data.text.{owner}.{work}", None)
    assert len(load_encoded("imdb", 400, ["test"])[1]["test"]) == 30


def another_file(monkeypatch):
    files = dict(SETS["sst2"].files)
    files["sst2/dev.tsv.gz"] = files["sst2/test.tsv.gz"]
    monkeypatch.setitem(SETS, "sst2", replace(SETS["sst2"], files=files))


KEYS = {
    "file": another_file,
    "run": lambda m: m.setitem(SETS, "sst2", replace(SETS["sst2"], run=6)),
    "share held out": lambda m: m.setattr(module, "_HELD_OUT", 0.2),
    "way of encoding": lambda m: m.setattr(module, "_FORMAT", 10**6),
    "version of tokenizers": lambda m: m.setattr(module, "version", lambda name: f"{name} 9.9"),
}


@pytest.mark.parametrize("change", KEYS)
def test_what_depends_on_another_key_is_not_taken(change, stored, no_work, monkeypatch):
    load_encoded("sst2", 200)
    no_work()
    KEYS[change](monkeypatch)
    with pytest.raises(AssertionError, match="this was kept"):
        load_encoded("sst2", 200)


def test_another_vocabulary_or_data_set_is_kept_apart(stored):
    sizes = [len(load_encoded(name, size)[0]) for name in SETS for size in (140, 150)]
    assert sizes == [140, 150, 140, 150]
    assert len(list(stored.glob("cache/encoded/*"))) == 4


@pytest.mark.parametrize("name", ["tokenizer.json", "train.npz"])
@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half", None])
def test_a_damaged_file_is_made_again(name, damage, stored):
    _, parts = load_encoded("sst2", 200)
    (path,) = stored.glob(f"cache/encoded/*/{name}")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if damage is None else damage)
    assert same(load_encoded("sst2", 200)[1]["train"], parts["train"])
    assert path.read_bytes() == whole


def test_another_name_is_refused():
    with pytest.raises(ValueError, match="data must be imdb or sst2, got 'yelp'"):
        load_encoded("yelp", 200)

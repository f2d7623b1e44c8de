"""The kept ids are those that the tokenizer would give, and belong to what was asked."""

import pytest
import torch

from mdlib.data.text.encoded import load_encoded
from mdlib.data.text.sets import encoded as module
from mdlib.data.text.sets import load_imdb, load_sst2
from mdlib.data.text.tokenizer import Tokenizer

PARTS = ("train", "validation", "test")


def same(one, other):
    return torch.equal(one.labels, other.labels) and all(map(torch.equal, one.ids, other.ids))


@pytest.fixture
def no_work(monkeypatch):
    """After this nothing may be encoded or trained."""

    def refuse(*args, **kwargs):
        raise AssertionError("this was kept")

    def start():
        monkeypatch.setattr(Tokenizer, "train", refuse)
        monkeypatch.setattr(Tokenizer, "encode", refuse)

    return start


def test_the_parts_of_sst2_are_its_own(stored):
    tokenizer, parts = load_encoded("sst2", 200, PARTS)
    texts = load_sst2(exclude_shared=True)
    assert len(tokenizer) <= 200
    assert [len(parts[name].ids) for name in PARTS] == [120, 20, 22]  # none of the others' in train
    for name, data in zip(PARTS, texts, strict=True):
        assert torch.equal(parts[name].labels, data.labels)
        assert all(map(torch.equal, parts[name].ids, tokenizer.encode(data.texts)))


def test_imdb_has_a_tenth_held_out_and_what_is_in_the_test_left_out(stored):
    tokenizer, parts = load_encoded("imdb", 400, PARTS)
    train, test = load_imdb(exclude_shared=True)
    rest, held_out = train.split(0.1)
    assert [len(parts[name].ids) for name in PARTS] == [90, 10, 30]
    for name, data in zip(PARTS, (rest, held_out, test), strict=True):
        assert all(map(torch.equal, parts[name].ids, tokenizer.encode(data.texts)))
    # The tokenizer has seen the rest alone.
    assert torch.equal(
        tokenizer.encode(["w1 w2"])[0], Tokenizer.train(rest.texts, 400).encode(["w1 w2"])[0]
    )


def test_what_was_encoded_is_kept(stored, no_work):
    first = load_encoded("imdb", 400, PARTS)
    no_work()
    tokenizer, parts = load_encoded("imdb", 400, PARTS)
    assert len(tokenizer) == len(first[0])
    assert all(same(parts[name], first[1][name]) for name in PARTS)
    assert list(load_encoded("imdb", 400, [])[1]) == []


def test_the_test_part_is_not_read_unless_asked_for(stored):
    load_encoded("imdb", 400)
    assert sorted(path.name for path in stored.glob("cache/encoded/*/*.npz")) == [
        "train.npz",
        "validation.npz",
    ]


def test_another_vocabulary_or_data_set_is_kept_apart(stored):
    sizes = [len(load_encoded(name, size)[0]) for name in ("sst2", "imdb") for size in (140, 150)]
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


def test_a_new_way_of_encoding_does_not_find_the_old_files(stored, monkeypatch):
    load_encoded("sst2", 200)
    monkeypatch.setattr(module, "_FORMAT", 10**6)
    load_encoded("sst2", 200)
    assert len(list(stored.glob("cache/encoded/*"))) == 2

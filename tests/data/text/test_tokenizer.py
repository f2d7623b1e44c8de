"""WordPiece: two trainings agree, a saved one is the same, and every word is found in its text."""

import json
import os
import re
import subprocess
import sys
import unicodedata

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib.data.text.tokenizer import CLS, PAD, SPECIAL, UNKNOWN, Tokenizer

# Many pairs of characters are as frequent as others here: ties, which a hash table would break.
WORDS = [f"{a}{b}{c}" for a in "aeiou" for b in "lmnrst" for c in "bdgk"]
CORPUS = [" ".join(WORDS[i::7]) for i in range(7)] * 2 + ["He wasn't «crème», it's 10/10!<br />"]


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.train(CORPUS, size=150)


def saved(tokenizer, folder):
    tokenizer.save(folder / "tokenizer.json")
    return (folder / "tokenizer.json").read_bytes()


def test_trainings_agree_whatever_the_order_of_the_hash_tables(tmp_path, monkeypatch):
    files = {saved(Tokenizer.train(CORPUS, size), tmp_path) for size in [150] * 8}
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "true")
    files |= {saved(Tokenizer.train(CORPUS, size), tmp_path) for size in [150] * 8}
    assert len(files) == 1


def test_another_process_agrees_and_may_fork_after_encoding(tokenizer, tmp_path):
    code = (
        "import os, sys; from pathlib import Path\n"
        "from mdlib.data.text import Tokenizer\n"
        "corpus = sys.argv[2:]; trained = Tokenizer.train(corpus, 150)\n"
        "trained.save(Path(sys.argv[1], 'its.json')); trained.encode(corpus)\n"
        "pid = os.fork() if hasattr(os, 'fork') else None\n"
        "trained.encode(corpus)\n"
        "pid == 0 and os._exit(7)\n"
        "assert not pid or os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7\n"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TOKENIZERS_PARALLELISM"}
    command = [sys.executable, "-c", code, str(tmp_path), *CORPUS]
    run = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=True)
    assert run.stderr == b""  # the library warns where a fork might deadlock
    assert tmp_path.joinpath("its.json").read_bytes() == saved(tokenizer, tmp_path)


def test_a_loaded_tokenizer_is_the_saved_one(tokenizer, tmp_path):
    content = saved(tokenizer, tmp_path)
    loaded = Tokenizer.load(tmp_path / "tokenizer.json")
    assert saved(loaded, tmp_path) == content
    assert [path.name for path in tmp_path.iterdir()] == ["tokenizer.json"]
    for mine, its in zip(tokenizer.encode(CORPUS), loaded.encode(CORPUS), strict=True):
        assert torch.equal(mine, its)


@pytest.mark.parametrize(
    "content", ["", "{}", "[1, 2", '{"version": "1.0"}', "\xff", "swapped", "other"]
)
def test_a_file_that_holds_none_is_refused(tokenizer, tmp_path, content):
    path = tmp_path / "tokenizer.json"
    if content in ("swapped", "other"):
        stored = json.loads(saved(tokenizer, tmp_path))
        if content == "swapped":
            stored["model"]["vocab"] |= {PAD: 2, CLS: 0}
        else:
            stored["model"]["type"] = "Pickle"
        content = json.dumps(stored)
    path.write_text(content, encoding="latin-1")
    with pytest.raises(
        ValueError, match=r"tokenizer.json holds no tokenizer that this class saved"
    ):
        Tokenizer.load(path)


def test_the_vocabulary_is_as_large_as_asked_and_knows_every_character(tokenizer):
    assert len(tokenizer) == 150
    assert tuple(tokenizer.tokens([0, 1, 2])) == SPECIAL
    for ids in tokenizer.encode(CORPUS):
        assert tokenizer.tokens(ids)[0] == CLS
        assert UNKNOWN not in tokenizer.tokens(ids)
    assert len(Tokenizer.train(["aa aa"], size=1000)) < 10


def test_a_size_without_room_for_the_characters_is_refused():
    with pytest.raises(ValueError, match=r"at least 7 .*\(3 special tokens and 2 char.*, got 6"):
        Tokenizer.train(["ab a"], size=6)
    assert len(Tokenizer.train(["ab a"], size=7)) == 7


def test_tokens_refuse_what_is_no_id(tokenizer):
    for number in (-1, 150):
        with pytest.raises(ValueError, match=rf"within 0..149, got {number}"):
            tokenizer.tokens([number])


pieces = st.sampled_from(
    [*"abnt'’.! \n\tÉçñ<[]_1", "n't", "'ll", "’s", "<br />", "[CLS]", "##a", "al"]
)
texts = st.lists(pieces, max_size=20).map("".join)


@given(text=texts, max_length=st.integers(1, 12))
def test_sequences_begin_alike_and_are_cut_not_changed(tokenizer, text, max_length):
    (whole,) = tokenizer.encode([text], max_length=10_000)
    (cut,) = tokenizer.encode([text], max_length)
    assert whole.dtype == torch.int64
    assert whole[0] == 2
    assert not (whole[1:] == 2).any()  # a text that spells [CLS] gets none
    assert torch.equal(cut, whole[:max_length])


@given(texts=st.lists(texts, max_size=4))
def test_a_batch_is_its_texts_one_by_one(tokenizer, texts):
    batch = tokenizer.encode(texts)
    assert len(batch) == len(texts)
    for text, ids in zip(texts, batch, strict=True):
        assert torch.equal(ids, tokenizer.encode([text])[0])


def normal(text):
    decomposed = unicodedata.normalize("NFD", text.replace("<br />", " ").replace("’", "'"))
    return "".join(c for c in decomposed if unicodedata.category(c) != "Mn").lower()


@given(text=texts, max_length=st.integers(1, 30))
def test_words_lie_in_the_text_and_their_tokens_in_the_sequence(tokenizer, text, max_length):
    words = tokenizer.words(text, max_length)
    (ids,) = tokenizer.encode([text], max_length)
    spelled = tokenizer.tokens(ids)
    position, end = 1, 0
    for word in words:
        assert text[word.start : word.end] == word.text
        assert text[end : word.start].replace("<br />", "").strip() == ""
        assert word.tokens.start == position
        pieces = spelled[word.tokens]
        assert all(piece.startswith("##") == (i > 0) for i, piece in enumerate(pieces))
        if UNKNOWN not in pieces and word is not words[-1]:
            assert "".join(pieces).replace("##", "") == normal(word.text)
        position, end = word.tokens.stop, word.end
    assert position == len(ids)
    if len(ids) < max_length:  # nothing was cut
        assert text[end:].replace("<br />", "").strip() == ""
        assert [normal(word.text) for word in words] == slow_words(text)


def slow_words(text):
    """Contractions taken off one by one, by hand rather than by one regular expression."""
    words = []
    rest = normal(text).split()
    while rest:
        chunk = rest.pop(0)
        run = re.match(r"\w*", chunk).group()
        clitic = re.match(r"'(s|re|ve|ll|d|m)(?!\w)", chunk)
        if (
            run
            and chunk[: len(run) + 2].endswith("n't")
            and re.match(r"\w", chunk[len(run) + 2 :]) is None
        ):
            words += [run[:-1]] * (run != "n") + ["n't"]
            size = len(run) + 2
        elif run or clitic:
            words.append(run or clitic.group())
            size = len(words[-1])
        else:
            words.append(chunk[0])
            size = 1
        if chunk[size:]:
            rest.insert(0, chunk[size:])
    return words


def test_words_are_the_readers_own(tokenizer):
    text = "He wasn't bad,<br />it’s CRÈME… can't 'n't' n'ts"
    words = [word.text for word in tokenizer.words(text)]
    assert words[:9] == ["He", "was", "n't", "bad", ",", "it", "’s", "CRÈME", "…"]
    assert words[9:] == ["ca", "n't", "'", "n't", "'", "n", "'", "ts"]
    # The treebank's spelling of the same gives the same tokens.
    apart, together = tokenizer.encode(["he was n't bad , it 's", "He wasn't bad, it's"])
    assert torch.equal(apart, together)


def test_attention_on_a_word_is_the_sum_over_its_tokens(tokenizer):
    words = tokenizer.words("almb wasn't", max_length=100)
    length = len(tokenizer.encode(["almb wasn't"])[0])
    weights = torch.arange(1.0, length + 1)
    assert sum(weights[word.tokens].sum() for word in words) == weights[1:].sum()


@pytest.mark.parametrize("max_length", [0, -1])
def test_no_room_for_the_first_token_is_refused(tokenizer, max_length):
    for call in (tokenizer.encode, tokenizer.words):
        with pytest.raises(ValueError, match=f"at least 1, room for .CLS., got {max_length}"):
            call("text", max_length)

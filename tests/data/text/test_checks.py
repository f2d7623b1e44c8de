"""What is no list of texts is refused wherever texts are taken, and the text is named."""

import math

import pytest
import torch

from mdlib.data.text import Tokenizer, WordVectors, sentence_problem, word_vectors
from mdlib.data.text.near_duplicates import near_groups

TOKENIZER = Tokenizer.train(["so good", "so bad", "not good"], size=40)
VECTORS = WordVectors(("good",), torch.eye(1).double())

TAKE = {
    "train": lambda texts: Tokenizer.train(texts, size=40),
    "encode": TOKENIZER.encode,
    "near": lambda texts: near_groups(texts, run=3),
    "vectors": lambda texts: word_vectors(texts, dim=1, window=1, min_count=1),
    "bags": lambda texts: sentence_problem(texts, [1, -1, 1], VECTORS),
}


@pytest.mark.parametrize("take", TAKE.values(), ids=TAKE)
@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["good", "good", None], "text 2 is None, and not a string"),
        (["good", math.nan, "good"], "text 1 is nan, and not a string"),
        (["good", b"good", "good"], "text 1 is b'good', and not a string"),
        (["good", "good \ude00", "good"], r"text 1 holds '\\ude00' at character 5"),
        ("good", "need a list of texts, got the single 'good'; put it in a list"),
    ],
    ids=repr,
)
def test_what_is_no_text_is_named(take, texts, message):
    with pytest.raises((TypeError, ValueError), match=message):
        take(texts)


def test_the_words_of_what_is_no_text():
    with pytest.raises(TypeError, match="text 0 is None"):
        TOKENIZER.words(None)


def test_whole_characters_of_any_plane_are_texts():
    assert len(TOKENIZER.encode(["good \U0001f600", ""])) == 2

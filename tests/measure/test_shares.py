"""Attention in equal shares: its ranking, by a slow count, and padding that counts for nothing."""

import random
from collections import defaultdict
from statistics import fmean

import pytest
import torch

from mdlib.measure.shares import most_attended

draw = random.Random(0)
TEXTS = [[draw.choice("abcdefg") for _ in range(draw.randint(1, 9))] for _ in range(30)]


def padded(rows, behind):
    """The rows as one tensor, each filled up to the longest."""
    longest = max(map(len, rows))
    return torch.tensor([[*row, *[behind] * (longest - len(row))] for row in rows])


def test_equal_shares_are_one_and_padding_counts_for_nothing():
    equal = padded([[1.0] * len(text) for text in TEXTS], behind=9.0)
    found = most_attended(TEXTS, equal, least=1)
    assert {word.text: word.times for word in found} == {
        word: sum(text.count(word) for text in TEXTS) for word in "abcdefg"
    }
    assert [word.shares for word in found] == [1.0] * 7
    assert [word.text for word in found] == list("abcdefg")


def test_the_ranking_is_that_of_the_means_of_what_is_not_rare():
    rows = [[draw.random() for _ in text] for text in TEXTS]
    shares = defaultdict(list)
    for text, row in zip(TEXTS, rows, strict=True):
        for word, share in zip(text, row, strict=True):
            shares[word].append(share)
    least = sorted(map(len, shares.values()))[2]  # two words are rarer, unless they tie
    expected = {word: fmean(each) for word, each in shares.items() if len(each) >= least}
    ranked = sorted(expected, key=expected.__getitem__, reverse=True)
    found = most_attended(TEXTS, padded(rows, behind=9.0), count=4, least=least)
    assert [word.text for word in found] == ranked[:4]
    assert [word.shares for word in found] == pytest.approx(
        [expected[word] for word in ranked[:4]], abs=1e-3
    )


def test_fewer_shares_than_words_are_refused():
    with pytest.raises(ValueError, match=r"shares must be \(n, T\), T at least 2; got \(1, 1\)"):
        most_attended([["so", "good"]], torch.ones(1, 1))

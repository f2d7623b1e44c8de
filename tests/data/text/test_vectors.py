"""Word vectors: the counts are those of a slow twin, and what should not matter does not."""

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlib.data.text import vectors as module
from mdlib.data.text.tokenizer import split_words
from mdlib.data.text.vectors import WordVectors, word_vectors

CORPUS = [
    "red wine or white wine , said the host .",
    "red tea or white tea , said the guest .",
    "we drink tea and they drink wine",
    "the host and the guest drink",
]


def slow_information(texts, window, min_count, shift, smoothing):
    """The formula of the module's docstring, word by word and pair by pair."""
    count = Counter(word for text in texts for word in split_words(text))
    pair = Counter()
    for text in texts:
        words = split_words(text)
        for i, w in enumerate(words):
            for j in range(max(0, i - window), min(len(words), i + window + 1)):
                if j != i and min(count[w], count[words[j]]) >= min_count:
                    pair[w, words[j]] += 1
    total = Counter()
    for (w, _), times in pair.items():
        total[w] += times
    everything = sum(times**smoothing for times in total.values())
    return {
        (w, c): math.log(times * everything / (total[w] * total[c] ** smoothing)) - math.log(shift)
        for (w, c), times in pair.items()
    }


def fast_information(texts, window, min_count, shift, smoothing):
    words, ids, text_of = module._frequent_words(texts, min_count)
    count = module._company(ids, text_of, len(words), window)
    M = module._ppmi(count, shift, smoothing).tocoo()
    rows, columns = M.coords
    return {(words[w], words[c]): x for w, c, x in zip(rows, columns, M.data, strict=True)}


@given(
    texts=st.lists(st.text("abcd ", max_size=30), min_size=1, max_size=4),
    window=st.integers(1, 4),
    min_count=st.integers(1, 3),
    shift=st.sampled_from([1.0, 2.0]),
    smoothing=st.sampled_from([0.75, 1.0]),
)
@settings(max_examples=60)
def test_the_matrix_is_that_of_a_slow_twin(texts, window, min_count, shift, smoothing):
    options = (window, min_count, shift, smoothing)
    # One letter a word: words meet often, so that the counts are not all 0 and 1.
    texts = [" ".join(text) for text in texts]
    slow = {pair: x for pair, x in slow_information(texts, *options).items() if x > 1e-12}
    fast = {pair: x for pair, x in fast_information(texts, *options).items() if x > 1e-12}
    assert fast == pytest.approx(slow, abs=1e-12)


def test_by_hand():
    # a stands by b twice and by c once, so #(a) = 3, #(b) = 2, #(c) = 1 and all are 6.
    found = fast_information(["a b", "b a", "a c"], 1, 1, 1.0, 1.0)
    ab, ac = math.log(2 * 6 / (3 * 2)), math.log(1 * 6 / (3 * 1))
    wanted = {("a", "b"): ab, ("b", "a"): ab, ("a", "c"): ac, ("c", "a"): ac}
    assert found == pytest.approx(wanted)


def cosines(learned):
    words = sorted(learned.words)
    chosen = torch.stack([learned[word] for word in words])
    return words, chosen @ chosen.T


def test_neither_the_order_of_the_texts_nor_the_direction_of_reading_matters():
    words, wanted = cosines(word_vectors(CORPUS, dim=6, window=3, min_count=2))
    backwards = [" ".join(reversed(text.split())) for text in CORPUS]
    for texts in (CORPUS[::-1], backwards):
        again, found = cosines(word_vectors(texts, dim=6, window=3, min_count=2))
        assert again == words
        torch.testing.assert_close(found, wanted, atol=1e-8, rtol=0)


def test_the_same_seed_gives_the_same_bytes():
    first, second = (word_vectors(CORPUS, dim=4, min_count=2, seed=3) for _ in range(2))
    assert first.words == second.words
    assert torch.equal(first.vectors, second.vectors)


def test_all_dimensions_reproduce_the_matrix(monkeypatch):
    lengths = []
    divide = np.linalg.norm

    def spied(x, **how):
        lengths.append(divide(x, **how))
        return lengths[-1]

    monkeypatch.setattr(module.np.linalg, "norm", spied)
    M = module._ppmi(module._company(np.array([0, 1, 2, 0, 2, 1, 1]), np.zeros(7), 3, 1), 1.0, 1.0)
    rows, reached = module._truncated_svd(M, 3, seed=0)
    gram = (rows * lengths[0][reached, None]) @ (rows * lengths[0][reached, None]).T
    # U Sigma U^T is the square root of M M^T.
    dense = M.toarray()[reached]
    np.testing.assert_allclose(gram @ gram, dense @ dense.T, atol=1e-8)


def test_words_in_the_same_company_are_neighbours():
    texts = [f"{a} {b} {c}" for a in "ab" for b in ("wine", "tea") for c in "xy"]
    texts += [f"{a} {b} {c}" for a in "cd" for b in ("rain", "snow") for c in "uv"]
    learned = word_vectors(texts, dim=4, window=2, min_count=1)
    for one, other in (("wine", "tea"), ("rain", "snow")):
        assert learned.neighbours(one, 1) == [other]
        assert learned.neighbours(other, 1) == [one]


def test_rare_words_get_no_vector_but_hold_their_places():
    texts = ["a x b", "a y b", "a c b c", "c a"]
    learned = word_vectors(texts, dim=2, window=1, min_count=2)
    assert set(learned.words) == {"a", "b", "c"}
    pairs = fast_information(texts, 1, 2, 1.0, 1.0)
    assert ("a", "b") not in pairs  # x and y stand between them
    assert ("a", "c") in pairs


def test_vectors_have_length_one_and_are_finite():
    # Two parts without a common word, and one dimension: it reaches only one of them.
    learned = word_vectors(["a b", "a b", "a b c", "x y"], dim=1, window=1, min_count=1)
    assert 0 < len(learned.words) < 5
    torch.testing.assert_close(learned.vectors.norm(dim=1), torch.ones(len(learned.words)).double())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dim": 0}, r"dim is out of range: 0"),
        ({"window": 0}, r"window is out of range: 0"),
        ({"min_count": 0}, r"min_count is out of range: 0"),
        ({"shift": 0.5}, r"shift, at least 1, is out of range: 0.5"),
        ({"smoothing": 0.0}, r"smoothing, in \(0, 1\], is out of range: 0.0"),
        ({"dim": 100}, r"dim=100 needs as many words with company, got \d+: take fewer"),
        ({"min_count": 99, "dim": 1}, r"got 0: take fewer .*min_count \(here 99\)"),
    ],
)
def test_what_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        word_vectors(CORPUS, **({"dim": 2, "min_count": 1} | options))


def test_words_and_vectors_belong_together():
    for words in (("a",), ("a", "a"), ("a", "b", "c")):
        with pytest.raises(ValueError, match=r"one vector for each word .* got 2 vectors"):
            WordVectors(words, torch.eye(2))


def test_an_unknown_word_is_named():
    with pytest.raises(KeyError, match=r"'soup' has no vector"):
        WordVectors(("a",), torch.eye(1))["soup"]

"""Sentences as attention problems: what stands where, and that cutting loses nothing."""

import pytest
import torch

from mdlib.data.text.bags import by_length, sentence_problem
from mdlib.data.text.vectors import WordVectors

WORDS = ("so", "good", "bad", "it", "is", "was", "n't")


@pytest.fixture
def vectors(seed):
    drawn = torch.randn(len(WORDS), 5, generator=torch.Generator().manual_seed(seed)).double()
    return WordVectors(WORDS, drawn / drawn.norm(dim=1, keepdim=True))


TEXTS = ["It wasn't good.", "So so so good!", "Bad?", "it is", "It IS so bad, so bad"]
LABELS = [-1, 1, -1, 1, -1]


def test_tokens_are_the_known_words_in_order_and_the_query_is_their_mean(vectors):
    problem = sentence_problem(TEXTS, LABELS, vectors)
    for i, text in enumerate(TEXTS):
        known = torch.stack([vectors[word] for word in vectors.known(text)])
        assert problem.mask[i].sum() == len(known)
        assert torch.equal(problem.X[i][problem.mask[i]], known)
        torch.testing.assert_close(problem.z[i], known.mean(0))
    assert vectors.known(TEXTS[0]) == ["it", "was", "n't", "good"]
    assert problem.y.tolist() == LABELS


def test_the_order_of_words_is_lost(vectors, seed):
    shuffled = [" ".join(reversed(vectors.known(text))) for text in TEXTS]
    W = torch.randn(5, 5, generator=torch.Generator().manual_seed(seed)).double()
    one, other = (sentence_problem(texts, LABELS, vectors) for texts in (TEXTS, shuffled))
    torch.testing.assert_close(one.predict(W, W[0]), other.predict(W, W[0]))


@pytest.mark.parametrize("count", [1, 2, 4, 50])
def test_parts_have_the_risk_and_gradient_of_the_whole(vectors, seed, count):
    whole = sentence_problem(TEXTS, LABELS, vectors)
    parts = by_length(whole, count)
    g = torch.Generator().manual_seed(seed)
    W = torch.randn(5, 5, generator=g, dtype=torch.float64)
    v = torch.randn(5, generator=g, dtype=torch.float64)
    sizes = [len(part.y) for part in parts]
    assert sum(sizes) == len(TEXTS)
    assert len(parts) == min(count, len(TEXTS))
    risk = sum(k * part.risk(W, v) for k, part in zip(sizes, parts, strict=True)) / len(TEXTS)
    slope = sum(k * part.gradient(W, v) for k, part in zip(sizes, parts, strict=True)) / len(TEXTS)
    torch.testing.assert_close(risk, whole.risk(W, v))
    torch.testing.assert_close(slope, whole.gradient(W, v))
    assert all(part.mask[:, -1].any() for part in parts)  # no column is padding alone


def test_a_text_without_a_known_word_is_named(vectors):
    with pytest.raises(ValueError, match=r"no word of 'Hello!' has a vector: leave it out"):
        sentence_problem(["so good", "Hello!"], [1, 1], vectors)


def test_no_texts_are_refused(vectors):
    with pytest.raises(ValueError, match="there are no texts"):
        sentence_problem([], [], vectors)


def test_labels_of_another_kind_are_refused(vectors):
    with pytest.raises(ValueError, match=r"input 0 has a label other than -1 or \+1 \(0\)"):
        sentence_problem(["bad"], [0], vectors)

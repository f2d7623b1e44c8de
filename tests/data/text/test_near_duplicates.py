"""Groups of near texts: a fast hash against a slow twin, and splits that cut through no group."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mdlib.data.text.near_duplicates import held_out_groups, near_groups

texts_of_few_words = st.lists(
    st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=7).map(" ".join), max_size=12
)


def slow_near_groups(texts, run):
    """Compare every two texts, run by run; then let the smaller label win until none changes."""
    words = [re.findall(r"\w+", text) for text in texts]
    runs = [{tuple(w[i : i + run]) for i in range(len(w) - run + 1)} for w in words]
    label = list(range(len(texts)))
    for _ in texts:
        for i in range(len(texts)):
            for j in range(len(texts)):
                if words[i] == words[j] or runs[i] & runs[j]:
                    label[i] = label[j] = min(label[i], label[j])
    return label


def partition(labels):
    return {tuple(np.flatnonzero(np.array(labels) == label)) for label in set(labels)}


@given(texts=texts_of_few_words, run=st.integers(1, 5))
def test_groups_are_those_of_the_slow_twin(texts, run):
    groups = near_groups(texts, run)
    assert groups.shape == (len(texts),)
    assert groups.dtype == np.int64
    assert partition(groups.tolist()) == partition(slow_near_groups(texts, run))


def test_case_punctuation_and_line_breaks_do_not_count():
    texts = ["One two,<br />THREE four.", "one — two three four", "one two br three four"]
    assert near_groups(texts, run=4).tolist() == [0, 0, 1]


def test_no_run_reaches_from_one_text_into_the_next():
    assert len(set(near_groups(["x a b", "c y", "b c z", "a b c"], run=3))) == 4


def test_a_run_below_one_word_is_refused():
    with pytest.raises(ValueError, match="run must be at least 1 word, got 0"):
        near_groups(["a"], run=0)


@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=20),
    singles=st.integers(5, 20),
    fraction=st.floats(0.1, 0.9),
    seed=st.integers(0, 2**31),
)
def test_groups_are_held_out_whole_and_fill_the_fraction(sizes, singles, fraction, seed):
    sizes = [*sizes, *[1] * singles]
    groups = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    held_out = held_out_groups(groups, fraction, seed)
    assert not set(groups[held_out]) & set(groups[~held_out])
    # Whatever was passed over was too large, so at most one member less than that is missing.
    missing = round(fraction * len(groups)) - held_out.sum()
    assert 0 <= missing < min([sizes[g] for g in groups[~held_out]], default=1)
    assert np.array_equal(held_out, held_out_groups(groups, fraction, seed))


def test_another_seed_holds_out_others():
    groups = np.arange(100)
    assert (held_out_groups(groups, 0.5, 0) != held_out_groups(groups, 0.5, 1)).any()


@pytest.mark.parametrize("fraction", [0, 1, -0.1, 1.1, float("nan")])
def test_a_fraction_that_is_none_is_refused(fraction):
    with pytest.raises(ValueError, match=f"strictly between 0 and 1, got {fraction}"):
        held_out_groups(np.arange(5), fraction, 0)


def test_a_fraction_that_no_group_fits_is_refused():
    with pytest.raises(ValueError, match="less than the smallest group holds"):
        held_out_groups(np.array([0, 0, 0, 1, 1, 1]), 0.2, 0)

"""Paired differences: the t interval by its formula, what pairing cancels, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mdlib.measure.paired import paired_difference

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20)


@given(pairs, st.sampled_from([0.5, 0.95, 0.99]))
def test_the_interval_is_students(rows, confidence):
    a, b = np.array(rows).T
    d = a - b
    found = paired_difference(a, torch.tensor(b), confidence)
    half = stats.t.ppf((1 + confidence) / 2, len(d) - 1) * d.std(ddof=1) / math.sqrt(len(d))
    assert found.mean == pytest.approx(d.mean(), abs=1e-9)
    assert found.low == pytest.approx(d.mean() - half, abs=1e-6)
    assert found.high == pytest.approx(d.mean() + half, abs=1e-6)
    if d.std() > 1e-6:
        assert found.pvalue == pytest.approx(stats.ttest_rel(a, b).pvalue, abs=1e-6)


@given(pairs)
def test_exchanging_the_two_turns_the_interval_around(rows):
    a, b = np.array(rows).T
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert (one.mean, one.low, one.high) == (-other.mean, -other.high, -other.low)
    assert one.sign == -other.sign
    assert one.pvalue == other.pvalue


def test_what_a_seed_does_to_both_drops_out():
    noise = np.random.default_rng(0).normal(size=8)
    a, b = noise + 0.01 * np.arange(8), noise
    assert paired_difference(a, b).sign == 1
    assert paired_difference(a, np.roll(b, 1)).sign == 0


def test_the_interval_covers_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(1)
    found = [paired_difference(draw.normal(0.3, 1, 5), np.zeros(5), 0.9) for _ in range(2000)]
    covered = np.mean([one.low <= 0.3 <= one.high for one in found])
    assert 0.88 < covered < 0.92


def test_without_spread_the_interval_is_a_point():
    assert paired_difference([1.0, 2.0], [0.5, 1.5]) == (0.5, 0.5, 0.5, 0.0)
    same = paired_difference([1.0, 2.0], [1.0, 2.0])
    assert (same.sign, same.pvalue) == (0, 1.0)


@pytest.mark.parametrize(
    ("a", "b", "confidence", "message"),
    [
        ([1.0], [2.0], 0.95, "at least 2 numbers"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], 0.95, r"shapes \(2,\) and \(3,\)"),
        ([1.0, math.nan], [1.0, 2.0], 0.95, "must be finite, got .*nan"),
        ([1.0, 2.0], [1.0, 2.5], 1.0, "confidence must lie in .* got 1.0"),
    ],
)
def test_bad_input_is_refused(a, b, confidence, message):
    with pytest.raises(ValueError, match=message):
        paired_difference(a, b, confidence)

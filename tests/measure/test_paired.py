"""Intervals of paired differences: scipy's, how often they cover the truth, what they refuse."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from mdlib.measure.paired import Difference, crossed_difference, paired_difference

numbers = st.floats(-1e3, 1e3).map(lambda x: round(x, 3))
pairs = st.lists(st.tuples(numbers, numbers), min_size=2, max_size=20)

# Hours of sleep that Student's ten patients gained by two drugs (Biometrika 1908, section 7):
# the mean difference is 1.58 and its standard error 0.389, so t = 4.06; t_9 at 97.5 % is 2.262.
DEXTRO = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
LAEVO = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]


# ---- over seeds ---------------------------------------------------------------------------------


def test_students_own_example():
    found = paired_difference(LAEVO, DEXTRO)
    assert found.mean == pytest.approx(1.58)
    assert found.high - found.mean == pytest.approx(2.262 * 0.389, abs=1e-3)


@given(pairs, st.sampled_from([0.5, 0.95, 0.99]))
def test_the_interval_holds_just_what_a_t_test_does_not_reject(rows, confidence):
    """At its ends the difference would have a p-value of 1 - c: the test turned around."""
    a, b = np.array(rows).T
    found = paired_difference(a, torch.tensor(b), confidence)
    assert found.mean == pytest.approx((a - b).mean())
    if np.ptp(a - b) > 1e-6:
        for end in (found.low, found.high):
            assert stats.ttest_1samp(a - b, end).pvalue == pytest.approx(1 - confidence, rel=1e-4)


@given(pairs)
def test_exchanging_the_two_turns_the_interval_around(rows):
    a, b = np.array(rows).T
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert one == pytest.approx((-other.mean, -other.high, -other.low), abs=1e-9)


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


@pytest.mark.parametrize("shift", [0.0, 0.5, 0.1])  # 1.1 - 1.0 and 2.1 - 2.0 differ by rounding
def test_without_spread_the_interval_is_a_point(shift):
    found = paired_difference([1.0 + shift, 2.0 + shift], [1.0, 2.0])
    assert found == pytest.approx((shift, shift, shift))
    assert found.low == found.mean == found.high
    assert found.sign == (shift > 0)


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


# ---- over seeds and examples --------------------------------------------------------------------


def test_the_difference_is_that_of_the_accuracies_and_changes_sign(seed):
    g = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(5, 300, generator=g) < share for share in (0.8, 0.75))
    there, back = crossed_difference(a, b), crossed_difference(b, a)
    assert there.mean == pytest.approx((a.double().mean() - b.double().mean()).item())
    assert back == pytest.approx((-there.mean, -there.high, -there.low))


@pytest.mark.parametrize("of_seeds", [True, False])
def test_with_noise_of_one_kind_it_is_students_interval(of_seeds):
    """All of the difference is between seeds, or all of it between examples."""
    differing = torch.tensor([True, False, False, True, False])
    a = differing[:, None].expand(5, 40) if of_seeds else differing.expand(40, 5)
    none = torch.zeros_like(a)
    expected = paired_difference(differing.double(), torch.zeros(5))
    assert crossed_difference(a, none) == pytest.approx(expected)


def test_its_t_is_the_root_of_clarks_min_f(seed):
    """min F' = F1 F2 / (F1 + F2), with (F1 + F2)^2 / (F1^2 / n2 + F2^2 / n1) degrees of freedom."""
    g = torch.Generator().manual_seed(seed)
    a, b = (torch.rand(5, 30, generator=g) < share for share in (0.9, 0.6))
    d = (a.double() - b.double()).numpy()
    F1, F2 = (stats.ttest_1samp(d.mean(axis), 0).statistic ** 2 for axis in (1, 0))
    t, df = (F1 * F2 / (F1 + F2)) ** 0.5, (F1 + F2) ** 2 / (F1**2 / 29 + F2**2 / 4)
    confidence = 1 - 2 * stats.t.sf(t, df)  # of the interval that just reaches 0
    assert crossed_difference(a, b, confidence).low == pytest.approx(0, abs=1e-9)


def missed(repeats, skill, ease, seed):
    """How often the interval lacks the truth, which is 0."""
    g = torch.Generator().manual_seed(seed)
    found = 0
    for _ in range(repeats):
        skills = skill * torch.randn(5, 1, generator=g)
        eases = ease * torch.randn(1, 200, generator=g)
        a = torch.rand(5, 200, generator=g) < 0.5 + skills + eases
        b = torch.rand(5, 200, generator=g) < 0.5 - eases
        found += crossed_difference(a, b).sign != 0
    return found / repeats


@pytest.mark.parametrize("skill", [0.02, 0.1])
def test_the_interval_covers_what_it_should(skill):
    """Whether the examples make most of the difference, or the seeds, which are but five."""
    assert 0.005 < missed(1000, skill, ease=0.1, seed=0) < 0.065


@pytest.mark.parametrize("shapes", [((3, 4), (3, 5)), ((1, 4), (1, 4)), ((3,), (3,))])
def test_what_has_no_interval_is_refused(shapes):
    with pytest.raises(ValueError, match="need two tensors of one shape"):
        crossed_difference(*(torch.ones(shape, dtype=torch.bool) for shape in shapes))


def test_a_confidence_of_one_is_refused():
    right = torch.eye(2, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"confidence must lie in .* got 1"):
        crossed_difference(right, right, confidence=1)


# ---- as shown -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high", "sign"), [(0.1, 0.3, 1), (-0.3, -0.1, -1), (-0.1, 0.1, 0)])
def test_a_sign_is_seen_where_the_interval_leaves_out_zero(low, high, sign):
    assert Difference((low + high) / 2, low, high).sign == sign

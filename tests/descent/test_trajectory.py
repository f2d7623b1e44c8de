"""Which steps a descent records."""

from itertools import pairwise

import pytest

from mdlib.descent.trajectory import recorded_steps


@pytest.mark.parametrize("record", [2, 3, 30, 200])
@pytest.mark.parametrize("steps", [1, 2, 10, 1000, 10**6])
def test_a_number_of_steps_lies_evenly_on_a_logarithmic_scale(record, steps):
    kept = recorded_steps(record, steps)
    assert kept[0] == 0
    assert kept[-1] == steps
    assert kept == sorted(set(kept))
    assert len(kept) <= record
    ratio = steps ** (1 / max(record - 2, 1))
    assert all(b <= a * ratio + 1 for a, b in pairwise(kept[1:]))


@pytest.mark.parametrize("record", [[7, 0, 3, 3], (3.0, 0, 7), range(0, 8, 7)])
def test_named_steps_are_sorted_whole_numbers(record):
    kept = recorded_steps(record, 8)
    assert kept == sorted(set(record))
    assert all(type(step) is int for step in kept)


@pytest.mark.parametrize("record", [1, 0, -3, [], [9], [-1, 2], [1.5]])
def test_what_names_no_step_is_refused(record):
    with pytest.raises(ValueError, match=r"record must (be at least 2|name steps within 0\.\.8)"):
        recorded_steps(record, 8)

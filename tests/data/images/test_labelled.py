"""A held-out part takes the same share of each class and leaves nothing out; no lots are drawn."""

from collections import Counter

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib.data.images.labelled import ImageData


def numbered(labels, classes=3):
    """Images that show their own number."""
    images = torch.arange(len(labels), dtype=torch.uint8).reshape(-1, 1, 1, 1)
    return ImageData("numbered", images, torch.tensor(labels), tuple(map(str, range(classes))))


def numbers(data):
    return data.images.flatten().tolist()


@given(
    labels=st.lists(st.integers(0, 2), min_size=1, max_size=200),
    every=st.integers(2, 12),
)
def test_every_so_many_of_each_class_are_held_out(labels, every):
    data, counts = numbered(labels), Counter(labels)
    if max(counts.values()) < every:
        with pytest.raises(ValueError, match=f"no class of numbered: .* has {every} images"):
            data.split(every)
        return
    rest, held_out = data.split(every)
    assert sorted(numbers(rest) + numbers(held_out)) == list(range(len(labels)))
    for part in (rest, held_out):
        assert numbers(part) == sorted(numbers(part))
        assert part.labels.tolist() == [labels[i] for i in numbers(part)]
    held = Counter(held_out.labels.tolist())
    assert held == Counter({label: count // every for label, count in counts.items()})
    for label in held:  # evenly over the file, not from its end
        places = [i for i in range(len(labels)) if labels[i] == label]
        assert [i for i in numbers(held_out) if labels[i] == label] == places[every - 1 :: every]


@pytest.mark.parametrize("every", [1, 0, -3])
def test_to_hold_out_everything_is_refused(every):
    with pytest.raises(ValueError, match=f"every must be at least 2, got {every}"):
        numbered([0, 1]).split(every)


def test_rows_and_masks():
    data = numbered([2, 0, 1])
    assert numbers(data[[2, 0]]) == [2, 0]
    assert numbers(data[data.labels < 2]) == [1, 2]
    assert data[[2]].labels.tolist() == [1]
    assert len(data) == 3

"""Pairs of digits: all images of both, with their labels."""

import pytest
import torch
from sklearn.datasets import load_digits

from mdlib.data.images.sets import digit_pair


def test_a_pair_holds_all_images_of_both_digits_with_their_labels():
    images, y = digit_pair(1, 8)
    target = torch.from_numpy(load_digits().target)
    assert (len(images), int((y == 1).sum())) == (
        int(((target == 1) | (target == 8)).sum()),
        int((target == 1).sum()),
    )
    assert set(y.tolist()) == {-1.0, 1.0}
    assert images.dtype == torch.float64
    assert (images.min(), images.max()) == (0, 1)
    swapped_images, swapped_y = digit_pair(8, 1)
    assert torch.equal(swapped_images, images)
    assert torch.equal(swapped_y, -y)


@pytest.mark.parametrize("pair", [(3, 3), (3, 10), (-1, 3)])
def test_a_pair_that_is_none_is_refused(pair):
    with pytest.raises(ValueError, match=f"got {pair[0]} and {pair[1]}"):
        digit_pair(*pair)

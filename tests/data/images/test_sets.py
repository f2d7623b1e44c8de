"""Digits as tokens: real labels, patches that carry every pixel to its place."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from mdlib.data.images.sets import digit_pair, load_digit_images, load_digits_patches
from mdlib.nn import patchify
from mdlib.nn.patches import patch_corners, patch_tokens


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


@pytest.mark.parametrize("side", [1, 2, 4, 8])
def test_the_digits_patches_are_those_of_their_images(side):
    """In the same parts, so that what is learned on patches can be compared."""
    for (tokens, labels), part in zip(load_digits_patches(side), load_digit_images(), strict=True):
        assert tokens.dtype == torch.float32
        assert torch.equal(tokens, patchify(part.images / 255, side))
        assert torch.equal(labels, part.labels)


@pytest.mark.parametrize("side", [-2, 0, 3, 16])
def test_patches_that_do_not_fill_a_digit_are_refused(side):
    with pytest.raises(ValueError, match=f"side {side} do not fill .* take a side of 1, 2, 4 or 8"):
        load_digits_patches(side)


@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    size=st.integers(1, 9),
    stride=st.integers(1, 4),
    position=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_token_is_the_patch_at_its_corner(height, width, size, stride, position):
    images = torch.arange(2.0 * height * width).reshape(2, height, width)
    if size > min(height, width):
        with pytest.raises(ValueError, match=f"size={size}"):
            patch_tokens(images, size, stride, position)
        return
    X = patch_tokens(images, size, stride, position)
    corners = patch_corners(height, width, size, stride)
    assert X.shape == (2, len(corners), size**2 + (len(corners) if position else 0))
    for t, (row, column) in enumerate(corners):
        patch = images[:, row : row + size, column : column + size]
        assert torch.equal(X[:, t, : size**2], patch.flatten(1))
    if position:
        assert torch.equal(X[0, :, size**2 :], position * torch.eye(len(corners)))

"""Patches carry every pixel to its place, in the order of their corners."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib.nn.patches import patch_corners, patch_tokens, patchify


@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 4),
    channels=st.integers(1, 3),
    patch=st.integers(1, 4),
    batch=st.sampled_from([(), (2,), (2, 1)]),
)
def test_every_pixel_is_in_its_place(rows, columns, channels, patch, batch):
    """All numbers differ, and no two sizes are told apart by luck: rows are not columns."""
    shape = (*batch, channels, rows * patch, columns * patch)
    images = torch.arange(torch.Size(shape).numel()).reshape(shape)
    tokens = patchify(images, patch)
    assert tokens.shape == (*batch, rows * columns, channels * patch**2)
    for row, column in product(range(rows), range(columns)):
        pixels = product(range(channels), range(patch), range(patch))
        for entry, (k, i, j) in enumerate(pixels):
            pixel = images[..., k, row * patch + i, column * patch + j]
            assert torch.equal(tokens[..., row * columns + column, entry], pixel)


@pytest.mark.parametrize(("shape", "patch"), [((1, 4, 6), 4), ((1, 6, 4), 4), ((1, 4, 4), 0)])
def test_patches_that_do_not_fill_the_image_are_refused(shape, patch):
    with pytest.raises(ValueError, match=f"side {patch} do not fill an image of {shape[1]} x"):
        patchify(torch.zeros(shape), patch)


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

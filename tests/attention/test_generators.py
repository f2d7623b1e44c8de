"""The paper's generator returns unit vectors and signs, one problem a seed."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib.attention.generators import gaussian_tokens

sizes = st.integers(1, 6)


@given(n=sizes, T=sizes, d=sizes, seed=st.integers(0, 2**31))
def test_every_vector_has_length_one_and_every_label_a_sign(n, T, d, seed):
    X, y, z, v = gaussian_tokens(n, T, d, seed)
    assert [x.shape for x in (X, y, z, v)] == [(n, T, d), (n,), (n, d), (d,)]
    assert {x.dtype for x in (X, y, z, v)} == {torch.float64}
    for x in (X, z, v):
        length = x.square().sum(-1).sqrt()
        torch.testing.assert_close(length, torch.ones_like(length), rtol=1e-6, atol=0)
    assert set(y.tolist()) <= {-1, 1}


@given(seeds=st.lists(st.integers(0, 2**31), min_size=1, max_size=4))
def test_a_sequence_of_seeds_stacks_the_single_draws(seeds):
    singles = zip(*(gaussian_tokens(2, 3, 4, seed) for seed in seeds), strict=True)
    for stacked, single in zip(gaussian_tokens(2, 3, 4, seeds), singles, strict=True):
        assert torch.equal(stacked, torch.stack(single))


def test_it_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second, other = (gaussian_tokens(2, 3, 4, seed)[0] for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_labels_of_both_signs_are_as_likely():
    _, y, _, _ = gaussian_tokens(10_000, 1, 1, seed=0)
    assert abs(y.mean()) < 0.05


@pytest.mark.parametrize("bad", ["n", "T", "d"])
def test_sizes_below_one_are_refused(bad):
    sizes = {"n": 2, "T": 3, "d": 4} | {bad: 0}
    with pytest.raises(ValueError, match=f"must be at least 1, got .*{bad}=0"):
        gaussian_tokens(**sizes, seed=0)


def test_no_seeds_are_refused():
    with pytest.raises(ValueError, match="empty sequence; give at least one seed"):
        gaussian_tokens(2, 3, 4, seed=[])

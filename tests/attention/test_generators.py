"""The paper's generator, draw by draw, and problems whose selection is planted."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mdlib import AttentionProblem, attention_svm, classifier_svm
from mdlib.attention.generators import gaussian_tokens
from tests.support.problems import chosen

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


# ---- planted problems ---------------------------------------------------------------------------


@settings(max_examples=40)
@given(
    n=st.integers(1, 9),
    T=st.integers(2, 6),
    d=st.integers(1, 7),
    p=st.floats(1.1, 8),
    spare=st.integers(0, 4),
    rival=st.sampled_from([0.0, 0.7, 1.5]),
    draw=st.integers(0, 10**6),
)
def test_the_planted_selection_is_what_it_says(n, T, d, p, spare, rival, draw):
    """Unit label margin, its support vectors, and some W that sets the planted tokens apart."""
    spare = min(spare, n - 1)
    problem, tokens = AttentionProblem.planted(n, T, d, p, seed=draw, spare=spare, rival=rival)
    assert problem.X.shape == (n, T, d)
    found = classifier_svm(chosen(problem, tokens), problem.y, p)
    assert found.norm.item() == pytest.approx(1.0, rel=1e-6)
    assert (found.margins[: n - spare] - 1).abs().max() < 1e-6
    assert (found.margins[n - spare :] > 1.49).all()
    if rival == 0:
        scores = problem.scores(found.v)
        others = scores.scatter(-1, tokens[:, None], -math.inf)
        assert (scores.gather(-1, tokens[:, None]) > others + 0.2).all()
        assert attention_svm(problem, tokens, 2).gap < 1e-6


def test_planted_seeds_are_a_batch():
    together, tokens = AttentionProblem.planted(4, 3, 5, 1.5, seed=[7, 8], spare=1, rival=0.5)
    for i, seed in enumerate((7, 8)):
        alone, alone_tokens = AttentionProblem.planted(4, 3, 5, 1.5, seed=seed, spare=1, rival=0.5)
        assert torch.equal(together.X[i], alone.X)
        assert torch.equal(together.z[i], alone.z)
        assert torch.equal(tokens[i], alone_tokens)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "got n=0"),
        ({"spare": 3}, r"spare must lie in 0\.\.2, at least one input less than n; got 3"),
        ({"spare": -1}, "got -1"),
        ({"rival": -0.5}, r"rival must be at least 0 .* got -0\.5"),
        ({"rival": 0.5, "T": 1}, "needs T >= 2"),
        ({"seed": []}, "empty sequence"),
        ({"p": 1.0}, r"p must be a finite number above 1, got 1\.0"),
    ],
)
def test_bad_planting_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        AttentionProblem.planted(**({"n": 3, "T": 4, "d": 2, "p": 2.0, "seed": 1} | arguments))

"""Pruning takes exactly the smallest weights of a copy; what is stored can be read again."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mdlib.measure.pruning import (
    Pruned,
    is_matrix,
    pack,
    prunable,
    prune,
    pruning_curve,
    stored_size,
)
from mdlib.nn import TextClassifier, VisionTransformer
from mdlib.train import Arrays, evaluate
from tests.support.packed import unpack

fractions = st.floats(0, 1)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Embedding(5, 4), nn.Flatten(), nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Linear(6, 3)
    )


def rounded(seed):
    """Weights among which many are equal in size."""
    model = network(seed)
    for param in model.parameters():
        param.data = (4 * param.data).round() / 4
    return model


def matrices(model):
    return [param.detach() for name, param in model.named_parameters() if is_matrix(name, param)]


def entries(model):
    return torch.cat([x.flatten() for x in matrices(model)])


def check_smallest(before, after, fraction):
    """Exactly so many are 0 by pruning, none of them larger than one that was left, in order."""
    count = round(fraction * len(before))
    left = after != 0
    gone = ~left & (before != 0)
    assert torch.equal(before[left], after[left])
    assert int((after == 0).sum()) == max(count, int((before == 0).sum()))
    if gone.any() and left.any():
        limit = before[gone].abs().max()
        assert limit <= before[left].abs().min()
        ties = (before.abs() == limit).nonzero().flatten()
        assert gone[ties].long().diff().le(0).all()  # those that come first have gone


@given(fraction=fractions, seed=st.integers(0, 5))
def test_exactly_the_smallest_of_all_weights_go(fraction, seed):
    for model in (network(seed), rounded(seed)):
        check_smallest(entries(model), entries(prune(model, fraction)), fraction)


@given(fraction=fractions, seed=st.integers(0, 5))
def test_exactly_the_smallest_of_each_matrix_go(fraction, seed):
    for model in (network(seed), rounded(seed)):
        pruned = prune(model, fraction, scope="matrix")
        for before, after in zip(matrices(model), matrices(pruned), strict=True):
            check_smallest(before.flatten(), after.flatten(), fraction)


def test_of_equal_weights_the_first_go():
    model = nn.Linear(4, 2)
    model.weight.data = torch.tensor([[1.0, -1.0, 2.0, 1.0], [-1.0, 3.0, 1.0, 0.0]])
    expected = [[0.0, 0.0, 2.0, 1.0], [-1.0, 3.0, 1.0, 0.0]]
    assert prune(model, 3 / 8).weight.tolist() == expected


@pytest.mark.parametrize("scope", ["model", "matrix"])
def test_nothing_or_everything(scope):
    model = network()
    for name, value in prune(model, 0, scope).state_dict().items():
        assert torch.equal(value, model.state_dict()[name])
    emptied = prune(model, 1, scope)
    assert (entries(emptied) == 0).all()
    assert not torch.equal(emptied[2].bias, torch.zeros(6))


@pytest.mark.parametrize("scope", ["model", "matrix"])
def test_the_model_itself_and_what_is_no_matrix_stay(scope):
    model = network()
    before = copy.deepcopy(model.state_dict())
    pruned = prune(model, 0.7, scope)
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
        if value.ndim < 2:
            assert torch.equal(pruned.state_dict()[name], value)
    assert pruned.training


def test_a_large_matrix_is_spared_by_the_model_and_not_by_the_matrix():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[0].weight.data *= 1000
    model[0].weight.data += model[0].weight.data.sign()
    whole, each = prune(model, 0.5), prune(model, 0.5, scope="matrix")
    assert [int((x == 0).sum()) for x in matrices(whole)] == [0, 16]
    assert [int((x == 0).sum()) for x in matrices(each)] == [8, 8]


def test_some_parameters_alone():
    model = VisionTransformer(image_size=4, patch=2, channels=1, width=8, layers=2, hidden=8)
    pruned = prune(model, 0.5, select=lambda name, _: name.endswith("qkv.weight"))
    changed = {
        name
        for name, value in pruned.state_dict().items()
        if not torch.equal(value, model.state_dict()[name])
    }
    assert changed == {f"blocks.{i}.attention.qkv.weight" for i in range(2)}
    with pytest.raises(ValueError, match="no parameter of VisionTransformer is selected"):
        prune(model, 0.5, select=lambda *_: False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"fraction": -0.1}, r"fraction must lie in \[0, 1\], got -0.1"),
        ({"fraction": float("nan")}, "got nan"),
        ({"fraction": 0.5, "scope": "layer"}, "scope must be model or matrix, got 'layer'"),
    ],
)
def test_what_cannot_be_pruned_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        prune(network(), **options)


# ---- stored -------------------------------------------------------------------------------------


@given(fraction=fractions, seed=st.integers(0, 3))
def test_what_is_packed_comes_back_bit_for_bit(fraction, seed):
    model, other = prune(network(seed), fraction), network(seed + 1)
    unpack(other, pack(model))
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_any_precision_is_stored_as_it_is(dtype):
    model, other = (nn.Linear(40, 40).to(dtype) for _ in range(2))
    unpack(other, pack(model))
    assert torch.equal(model.weight, other.weight)
    assert stored_size(model) <= 1640 * dtype.itemsize + 300


def test_what_repeats_and_where_the_zeros_are_cost_next_to_nothing():
    """Equal weights hardly anything; one in a hundred little more than the entropy of its place."""
    model = nn.Linear(300, 300, bias=False)
    nn.init.constant_(model.weight, 0.5)
    assert stored_size(model) == len(pack(model)) < 90_000 * (4 + 1 / 8) / 500
    there = torch.rand(300, 300, generator=torch.Generator().manual_seed(0)) < 0.01
    model.weight.data.mul_(there)
    share = float(there.double().mean())
    entropy = -share * np.log2(share) - (1 - share) * np.log2(1 - share)
    least = 90_000 * entropy / 8
    assert least < stored_size(model) == len(pack(model)) < 1.8 * least


def test_the_more_is_pruned_the_smaller_it_gets(seed):
    torch.manual_seed(seed)
    model = TextClassifier(vocabulary=200, width=32, layers=2, heads=2, hidden=64)
    shares = [0, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 1]
    sizes = [stored_size(prune(model, share)) for share in shares]
    assert sizes == sorted(sizes, reverse=True)
    assert len(set(sizes)) == len(sizes)
    count = sum(x.numel() for x in model.state_dict().values())
    assert sizes[0] < 4.1 * count
    # A tenth of the weights, four bytes each, and at most half a bit for the place of each.
    assert 0.4 * count * 0.8 < sizes[6] < (0.4 + 0.5 / 8) * count * 1.1


def test_a_curve_falls_from_the_model_to_nothing():
    torch.manual_seed(0)
    images = torch.randn(60, 1, 4, 4)
    model = VisionTransformer(image_size=4, patch=2, channels=1, width=8, layers=1, hidden=8)
    labels = model.eval()(images).argmax(-1)  # it knows them all
    data = Arrays(images, labels)
    points = pruning_curve(model, data, [0, 0.3, 1])
    assert [point.fraction for point in points] == [0, 0.3, 1]
    assert points[0].accuracy == 1 > points[1].accuracy >= points[2].accuracy
    for point in points:
        pruned = prune(model, point.fraction)
        assert point.bytes == stored_size(pruned)
        assert {"loss": point.loss, "accuracy": point.accuracy} == evaluate(pruned, data)
    assert not model.training


curves = st.lists(st.floats(0, 1), min_size=1, max_size=8).map(
    lambda accuracies: [
        Pruned(i / 8, loss=0.5, accuracy=accuracy, bytes=100)
        for i, accuracy in enumerate(accuracies)
    ]
)


@given(curve=curves, loss=st.floats(0, 1), more=st.floats(0, 1))
def test_no_more_than_the_loss_is_lost_by_pruning_what_can_go(curve, loss, more):
    """Against a slow twin that walks along the curve; and who may lose more can prune more."""
    fractions, accuracies = zip(*((one.fraction, one.accuracy) for one in curve), strict=True)
    grid = np.union1d(np.linspace(0, fractions[-1], 2001), fractions)
    lost = accuracies[0] - np.interp(grid, fractions, accuracies)
    over = np.append(grid[lost > loss], fractions[-1])  # the first of them ends the walk
    found = prunable(curve, loss)
    assert found == pytest.approx(over[0], abs=1 / 2000)
    assert prunable(curve, max(loss, more)) >= found


def test_a_curve_that_does_not_begin_with_the_whole_model_is_refused():
    half = Pruned(0.5, loss=0.5, accuracy=1.0, bytes=100)
    for curve in ([], [half], [replace(half, fraction=0.0), half, half]):
        with pytest.raises(ValueError, match="must ascend from 0, got"):
            prunable(curve)

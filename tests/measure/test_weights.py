"""The distribution of attention weights: which entries they are, and measures known by hand."""

import pytest
import torch

from mdlib.measure.weights import EDGES, attention_weights, describe_weights
from mdlib.nn import TextClassifier


def model_with(values):
    """Two layers whose W_Q, W_K and W_V, 4 x 4, are filled with these."""
    model = TextClassifier(vocabulary=9, width=4, layers=2, heads=2, hidden=4)
    for block in model.blocks:
        parts = block.attention.qkv.weight.data.chunk(3)
        for part, value in zip(parts, values, strict=True):
            part.copy_(torch.as_tensor(value).expand(4, 4))
    return model


def test_queries_keys_and_values_are_told_apart():
    entries = attention_weights(model_with((1.0, 2.0, 3.0)))
    assert {name: w.unique().tolist() for name, w in entries.items()} == {
        "query": [1.0],
        "key": [2.0],
        "value": [3.0],
    }
    assert all(len(w) == 2 * 16 for w in entries.values())


def test_sparsity_by_hand():
    alone = torch.zeros(4, 4)
    alone[1, 2] = -3.0
    some = torch.tensor([[1.0, 0.05, 0.005, 1e-8]]).expand(4, 4)
    found = describe_weights(model_with((1.0, alone, some)))
    query, key, value = (found[name] for name in ("query", "key", "value"))
    assert query.hoyer == pytest.approx(0, abs=1e-7)
    assert (query.small, query.zero) == (0, 0)
    assert key.hoyer == pytest.approx(1 - (2**0.5 - 1) / (32**0.5 - 1))  # one in each layer
    assert key.zero == key.small == pytest.approx(15 / 16)
    assert (value.small, value.zero) == (1 / 2, 0)
    assert [one.tiny for one in (query, key, value)] == [0, 15 / 16, 1 / 2]
    assert query.counts[EDGES.index(0.0)] == 32
    assert key.counts[0] == 30
    assert [sum(one.counts) for one in found.values()] == [32, 32, 32]


def test_no_weights_left_are_as_sparse_as_it_gets():
    found = describe_weights(model_with((0.0, 0.0, 0.0)))["query"]
    assert (found.hoyer, found.small, found.zero) == (1, 1, 1)

"""Rollout is the sum over all ways through the layers, each layer a step or a stay."""

from itertools import pairwise, product

import pytest
import torch

from mdlib.nn import TextClassifier, VisionTransformer
from mdlib.nn.rollout import attention_rollout


def layers(count, shape, seed):
    draw = torch.Generator().manual_seed(seed)
    return [
        torch.randn(shape, generator=draw, dtype=torch.float64).softmax(-1) for _ in range(count)
    ]


@pytest.mark.parametrize("count", [1, 2, 3])
def test_rollout_sums_over_all_ways_through_the_layers(count, seed):
    """A way from token t down to token s either follows the mean head or stays, in every layer."""
    T, found = 4, layers(count, (2, 3, 4, 4), seed)
    rolled = attention_rollout(found)
    for b, t, s in product(range(2), range(T), range(T)):
        total = 0.0
        for way in product(range(T), repeat=count - 1):
            tokens = [s, *way, t]  # from the input up to the last layer
            share = 1.0
            for layer, (lower, upper) in enumerate(pairwise(tokens)):
                heads = [float(found[layer][b, h, upper, lower]) for h in range(3)]
                share *= (sum(heads) / 3 + (lower == upper)) / 2
            total += share
        assert rolled[b, t, s] == pytest.approx(total, abs=1e-12)


def test_rows_stay_distributions_and_causal_attention_stays_causal(seed):
    mask = torch.ones(6, 6, dtype=torch.bool).tril()
    found = [
        (w.masked_fill(~mask, 0) / w.masked_fill(~mask, 0).sum(-1, keepdim=True))
        for w in layers(3, (2, 2, 6, 6), seed)
    ]
    rolled = attention_rollout(found)
    torch.testing.assert_close(rolled.sum(-1), torch.ones(2, 6, dtype=torch.float64))
    assert (rolled[:, ~mask] == 0).all()


def test_layers_do_not_commute(seed):
    first, second = layers(2, (1, 5, 5), seed)
    assert not torch.allclose(
        attention_rollout([first, second]), attention_rollout([second, first])
    )


def test_the_networks_attention_can_be_rolled_out(seed):
    torch.manual_seed(seed)
    sizes = {"width": 8, "layers": 3, "heads": 2, "hidden": 8}
    vision = VisionTransformer(image_size=6, patch=3, channels=1, **sizes)
    assert attention_rollout(vision.attention(torch.rand(2, 1, 6, 6))).shape == (2, 5, 5)
    text = TextClassifier(vocabulary=9, **sizes)
    rolled = attention_rollout(text.attention(torch.tensor([[2, 3, 4], [2, 3, 0]])))
    assert rolled[1, 0, 2] == 0  # nothing comes from padding


@pytest.mark.parametrize(
    "shapes",
    [[], [(2, 3, 4)], [(4, 4)], [(1, 4, 4), (1, 5, 5)]],
    ids=["none", "oblong", "bare", "two"],
)
def test_what_is_no_attention_is_refused(shapes):
    with pytest.raises(ValueError, match="at least one layer, all of one shape"):
        attention_rollout([torch.ones(shape) for shape in shapes])

"""VisionTransformer: every pixel in its patch; torch's own encoder; attention as it was used."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from mdlib.nn import SelfAttention, VisionTransformer, patchify

SIZES = {
    "image_size": 12,
    "patch": 3,
    "channels": 3,
    "classes": 7,
    "width": 12,
    "layers": 3,
    "heads": 3,
    "hidden": 20,
}


def transformer(**options):
    """In float64, with layer norms that are not the identity."""
    model = VisionTransformer(**(SIZES | {"dropout": 0.0} | options)).double()
    for name, param in model.named_parameters():
        if "norm" in name:
            nn.init.normal_(param, mean=1.0)
    return model


def pictures(count=4):
    return torch.randn(count, 3, 12, 12, dtype=torch.float64)


# ---- patches ------------------------------------------------------------------------------------


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


def test_a_linear_map_of_patches_is_a_convolution():
    model, images = transformer(), pictures()
    kernel = model.embedding.weight.view(12, 3, 3, 3)
    expected = F.conv2d(images, kernel, model.embedding.bias, stride=3).flatten(2).mT
    torch.testing.assert_close(model.embedding(patchify(images, 3)), expected)


@pytest.mark.parametrize(("shape", "patch"), [((1, 4, 6), 4), ((1, 6, 4), 4), ((1, 4, 4), 0)])
def test_patches_that_do_not_fill_the_image_are_refused(shape, patch):
    with pytest.raises(ValueError, match=f"side {patch} do not fill an image of {shape[1]} x"):
        patchify(torch.zeros(shape), patch)


# ---- the architecture ---------------------------------------------------------------------------


class Reference(nn.Module):
    """The same weights in a convolution and torch's own encoder; its parameters are copies."""

    def __init__(self, model):
        super().__init__()
        channels, *_ = model.shape
        width, heads = model.readout.in_features, model.blocks[0].attention.heads
        self.embedding = nn.Conv2d(channels, width, model.patch, stride=model.patch)
        self.class_token = nn.Parameter(model.class_token.detach().clone())
        self.positions = nn.Parameter(model.positions.detach().clone())
        layer = nn.TransformerEncoderLayer(
            width,
            heads,
            model.blocks[0].mlp[0].out_features,
            dropout=0.0,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(
            layer, len(model.blocks), norm=nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.readout = nn.Linear(width, model.readout.out_features)
        self.double()
        for theirs, ours in self.pairs(model):
            with torch.no_grad():
                theirs.copy_(ours.view_as(theirs))

    def pairs(self, model):
        """Each parameter with the one that it is to equal."""
        modules = [
            (self.embedding, model.embedding),
            (self.encoder.norm, model.norm),
            (self.readout, model.readout),
        ]
        yield self.class_token, model.class_token
        yield self.positions, model.positions
        for layer, block in zip(self.encoder.layers, model.blocks, strict=True):
            yield layer.self_attn.in_proj_weight, block.attention.qkv.weight
            yield layer.self_attn.in_proj_bias, block.attention.qkv.bias
            modules += [
                (layer.self_attn.out_proj, block.attention.out),
                (layer.linear1, block.mlp[0]),
                (layer.linear2, block.mlp[2]),
                (layer.norm1, block.attention_norm),
                (layer.norm2, block.mlp_norm),
            ]
        for theirs, ours in modules:
            yield theirs.weight, ours.weight
            yield theirs.bias, ours.bias

    def forward(self, images):
        patches = self.embedding(images).flatten(2).mT
        x = torch.cat([self.class_token.expand(len(images), 1, -1), patches], 1) + self.positions
        return self.readout(self.encoder(x)[:, 0])


@pytest.mark.parametrize("layers", [1, 3])
def test_logits_and_all_gradients_are_those_of_torchs_encoder(layers):
    model = transformer(layers=layers)
    reference, images, labels = Reference(model), pictures(), torch.tensor([0, 6, 2, 2])
    logits, expected = model(images), reference(images)
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9)
    F.cross_entropy(logits, labels).backward()
    F.cross_entropy(expected, labels).backward()
    pairs = list(reference.pairs(model))
    assert len(pairs) == len(list(model.parameters())) == len(list(reference.parameters()))
    for theirs, ours in pairs:
        torch.testing.assert_close(ours.grad.view_as(theirs), theirs.grad, rtol=1e-9, atol=1e-9)


def test_the_paper_by_default():
    """Images of 48 in patches of 4, width 512, six layers of eight heads, MLP 512."""
    with torch.device("meta"):
        model = VisionTransformer()
    assert model(torch.zeros(2, 3, 48, 48, device="meta")).shape == (2, 10)
    assert model.positions.shape == (144 + 1, 512)
    layer = 4 * (512**2 + 512) + 2 * (512**2 + 512) + 4 * 512
    around = (48 * 512 + 512) + 512 + 145 * 512 + 2 * 512 + (10 * 512 + 10)
    assert sum(p.numel() for p in model.parameters()) == 6 * layer + around
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.1}
    assert {(m.heads, m.dropout) for m in model.modules() if isinstance(m, SelfAttention)} == {
        (8, 0.1)
    }
    assert all(block.norm_first for block in model.blocks)


def test_positions_tell_patches_apart():
    """Without them the class token would see a bag of patches."""
    model, images = transformer(), pictures()
    moved = images.roll(3, dims=-1)
    assert not torch.allclose(model(images), model(moved))
    with torch.no_grad():
        model.positions[1:] = model.positions[1]
    torch.testing.assert_close(model(images), model(moved))


def test_dropout_is_for_training():
    model, images = transformer(dropout=0.5), pictures()
    assert not torch.equal(model(images), model(images))
    model.eval()
    assert torch.equal(model(images), model(images))
    same = transformer()
    same.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(images), same(images))


def test_embedded_tokens_are_dropped():
    model, images = transformer(dropout=0.5), pictures()
    model.blocks.eval()
    assert not torch.equal(model(images), model(images))


# ---- attention on request -----------------------------------------------------------------------


def test_the_last_weights_lead_to_the_logits():
    """Row 0 of the last layer times its values, through the rest of the network."""
    model, images = transformer(), pictures()
    x = model._embed(images)
    for block in model.blocks[:-1]:
        x = block(x)
    block, weights = model.blocks[-1], model.attention(images)[-1]
    _, _, values = block.attention.qkv(block.attention_norm(x)).chunk(3, -1)
    mixed = (weights[:, :, :1] @ values.unflatten(-1, (3, 4)).transpose(1, 2)).transpose(1, 2)
    kept = x[:, :1] + block.attention.out(mixed.flatten(2))
    kept = kept + block.mlp(block.mlp_norm(kept))
    expected = model.readout(model.norm(kept[:, 0]))
    torch.testing.assert_close(model(images), expected, rtol=1e-9, atol=1e-9)


def test_asking_for_attention_changes_nothing():
    model, images = transformer(dropout=0.5), pictures()
    first, second = model.attention(images), model.attention(images)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)
        assert a.shape == (4, 3, 17, 17)
        assert not a.requires_grad
        torch.testing.assert_close(a.sum(-1), torch.ones(4, 3, 17, dtype=torch.float64))
    assert all(module.training for module in model.modules())
    with pytest.raises(ValueError, match="images must have shape"):
        model.attention(images[0])
    assert all(module.training for module in model.modules())


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch": 5}, "multiple of patch, got image_size=12, patch=5"),
        ({"patch": 0}, "patch must be at least 1, got 0"),
        ({"classes": 0}, "classes must be at least 1, got 0"),
        ({"width": 13}, "multiple of heads, got width=13, heads=3"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
    ids=str,
)
def test_sizes_that_make_no_model_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        transformer(**options)


@pytest.mark.parametrize("shape", [(3, 12, 12), (2, 1, 12, 12), (2, 3, 12, 15), (2, 3, 8, 8)])
def test_images_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"images must have shape \(B, 3, 12, 12\) .*, got"):
        transformer()(torch.zeros(shape, dtype=torch.float64))


def test_raw_bytes_are_refused():
    with pytest.raises(ValueError, match=r"floating-point, got \(2, 3, 12, 12\) of torch.uint8"):
        transformer()(torch.zeros(2, 3, 12, 12, dtype=torch.uint8))

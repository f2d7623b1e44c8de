"""TextClassifier: torch's own transformer; padding is nothing; its attention is what it used."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from mdlib.nn import Block, SelfAttention, TextClassifier

SIZES = {"vocabulary": 50, "width": 12, "layers": 3, "heads": 3, "hidden": 20, "max_length": 16}
LENGTHS = torch.tensor([16, 9, 1, 12])


def classifier(**options):
    """In float64, with layer norms that are not the identity."""
    model = TextClassifier(**(SIZES | {"dropout": 0.0} | options)).double()
    for name, param in model.named_parameters():
        if "norm" in name:
            nn.init.normal_(param, mean=1.0)
    return model


def padded(lengths=LENGTHS, width=None):
    width = width or int(lengths.max())
    ids = torch.randint(1, SIZES["vocabulary"], (len(lengths), width))
    return ids.masked_fill(torch.arange(width) >= lengths[:, None], 0)


def torch_layer(block, norm_first=False):
    """The same weights in torch's own encoder layer."""
    width, bias = block.attention.out.in_features, block.attention.out.bias is not None
    layer = nn.TransformerEncoderLayer(
        width,
        block.attention.heads,
        block.mlp[0].out_features,
        dropout=0.0,
        activation="gelu",
        batch_first=True,
        norm_first=norm_first,
        bias=bias,
        dtype=torch.float64,
    )
    pairs = [
        (layer.self_attn.out_proj, block.attention.out),
        (layer.linear1, block.mlp[0]),
        (layer.linear2, block.mlp[2]),
        (layer.norm1, block.attention_norm),
        (layer.norm2, block.mlp_norm),
    ]
    for theirs, ours in pairs:
        theirs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        layer.self_attn.in_proj_weight.copy_(block.attention.qkv.weight)
        if bias:
            layer.self_attn.in_proj_bias.copy_(block.attention.qkv.bias)
    return layer


# ---- the architecture ---------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True])
def test_the_classifier_is_torchs_encoder_read_out_at_the_first_token(bias):
    model, ids = classifier(bias=bias), padded()
    x = model.tokens(ids) + model.positions(torch.arange(ids.shape[1]))
    for block in model.blocks:
        x = torch_layer(block)(x, src_key_padding_mask=ids == 0)
    expected = x[:, 0] @ model.readout.weight[0] + (model.readout.bias if bias else 0)
    torch.testing.assert_close(model(ids), expected, rtol=1e-9, atol=1e-9)
    # Training steps agree too.
    theirs = torch.autograd.grad(expected.sum(), list(model.parameters()), allow_unused=True)
    # (the reference holds copies of the blocks' weights: only embeddings and readout are shared)
    ours = torch.autograd.grad(model(ids).sum(), list(model.parameters()))
    for (name, _), a, b in zip(model.named_parameters(), ours, theirs, strict=True):
        if not name.startswith("blocks"):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("norm_first", [False, True])
def test_a_block_is_torchs_encoder_layer(norm_first, bias):
    block = Block(12, 3, 20, bias=bias, norm_first=norm_first).double()
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    expected = torch_layer(block, norm_first)(x)
    torch.testing.assert_close(block(x), expected, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(block(x, queries=2), expected[:, :2], rtol=1e-9, atol=1e-9)


def test_the_paper_by_default():
    """Width 384, MLP 1,536, 30,522 ids, length 512, three layers; no bias in any of them."""
    with torch.device("meta"):
        model = TextClassifier()
    layer = 4 * 384**2 + 2 * 384 * 1536 + 2 * 384
    assert sum(p.numel() for p in model.parameters()) == (30_522 + 512 + 1) * 384 + 3 * layer
    assert not any("bias" in name for name, _ in model.named_parameters())
    assert {m.p for m in model.modules() if isinstance(m, nn.Dropout)} == {0.2}
    assert {(m.heads, m.dropout) for m in model.modules() if isinstance(m, SelfAttention)} == {
        (6, 0.2)
    }


def test_dropout_is_for_training():
    model, ids = classifier(dropout=0.5), padded()
    assert not torch.equal(model(ids), model(ids))
    model.eval()
    assert torch.equal(model(ids), model(ids))
    same = classifier()
    same.load_state_dict(model.state_dict())
    torch.testing.assert_close(model(ids), same(ids))


@pytest.mark.parametrize("norm_first", [False, True])
@pytest.mark.parametrize("half", ["attention", "mlp"])
def test_each_half_of_a_block_drops_what_it_adds(half, norm_first):
    """The other half is silent, and no attention weight is dropped."""
    block = Block(12, 3, 20, dropout=0.5, norm_first=norm_first)
    block.attention.eval()
    silent = block.mlp[2] if half == "attention" else block.attention.out
    for param in silent.parameters():
        nn.init.zeros_(param)
    x = torch.randn(2, 7, 12)
    assert not torch.equal(block(x), block(x))


def test_attention_drops_weights_and_keeps_their_mean():
    attention = SelfAttention(12, 3, dropout=0.5).double()
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    draws = torch.stack([attention(x) for _ in range(4000)])
    assert draws.std(0).min() > 0.01
    error = (draws.mean(0) - attention.eval()(x)).abs() / draws.std(0) * 4000**0.5
    assert error.max() < 5  # standard errors
    assert torch.equal(attention(x), attention(x))


# ---- padding ------------------------------------------------------------------------------------


def test_a_sequence_alone_is_the_sequence_in_a_padded_batch():
    model, ids = classifier(), padded()
    together = model(ids)
    for row, length, logit in zip(ids, LENGTHS, together, strict=True):
        torch.testing.assert_close(model(row[None, :length])[0], logit, rtol=1e-9, atol=1e-9)


def test_no_gradient_comes_from_padding():
    model = classifier()
    model(padded(torch.tensor([3, 7]), width=16)).sum().backward()
    assert (model.tokens.weight.grad[0] == 0).all()
    assert (model.positions.weight.grad[7:] == 0).all()
    assert (model.positions.weight.grad[:7] != 0).any(-1).all()


def test_an_empty_sequence_is_its_first_token():
    """What fills it up is read as a token there: no softmax is over nothing."""
    model, other = classifier(), classifier(padding=7)
    other.load_state_dict(model.state_dict())
    ids = torch.zeros(2, 5, dtype=torch.int64)
    torch.testing.assert_close(model(ids), other(ids[:, :1]).expand(2))


def test_another_padding_id():
    model, other = classifier(), classifier(padding=7)
    other.load_state_dict(model.state_dict())
    ids = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]])
    torch.testing.assert_close(model(ids), other(ids.masked_fill(ids == 0, 7)))


# ---- attention on request -----------------------------------------------------------------------


def test_the_weights_are_what_the_fused_kernel_used():
    """weights @ values, through the rest of the block, is the block's own output."""
    model, ids = classifier().eval(), padded()
    mask = ids != 0
    x = model.tokens(ids) + model.positions(torch.arange(ids.shape[1]))
    for block, weights in zip(model.blocks, model.attention(ids), strict=True):
        values = F.linear(x, block.attention.qkv.weight[24:]).unflatten(-1, (3, 4)).transpose(1, 2)
        mixed = block.attention.out((weights @ values).transpose(1, 2).flatten(2))
        kept = block.attention_norm(x + mixed)
        expected = block.mlp_norm(kept + block.mlp(kept))
        x = block(x, mask)
        torch.testing.assert_close(x, expected, rtol=1e-9, atol=1e-9)


def test_the_weights_are_a_distribution_over_the_tokens_that_are_there():
    ids = padded()
    for weights in classifier().attention(ids):
        assert weights.shape == (4, 3, 16, 16)
        torch.testing.assert_close(weights.sum(-1), torch.ones(4, 3, 16, dtype=torch.float64))
        there = (ids != 0)[:, None, None, :].expand_as(weights)
        assert (weights[~there] == 0).all()
        assert (weights[there] > 0).all()


def test_asking_for_attention_changes_nothing():
    model, ids = classifier(dropout=0.5), padded()
    first, second = model.attention(ids), model.attention(ids)
    for a, b in zip(first, second, strict=True):
        assert torch.equal(a, b)
        assert not a.requires_grad
    assert all(module.training for module in model.modules())
    model.eval().attention(ids)
    assert not any(module.training for module in model.modules())


def test_attention_of_a_pre_norm_block_is_of_the_normed_input():
    block = Block(12, 3, 20, norm_first=True).double()
    x = torch.randn(2, 7, 12, dtype=torch.float64)
    expected = block.attention.weights(block.attention_norm(x))
    assert torch.equal(block.weights(x), expected)
    assert not torch.allclose(block.weights(x), block.attention.weights(x))


# ---- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 13}, "multiple of heads, got width=13, heads=3"),
        ({"heads": 0}, "multiple of heads, got width=12, heads=0"),
        ({"layers": 0}, "layers must be at least 1, got 0"),
        ({"vocabulary": 0}, "vocabulary must be at least 1, got 0"),
        ({"max_length": -1}, "max_length must be at least 1, got -1"),
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\), got 1.0"),
    ],
    ids=str,
)
def test_sizes_that_make_no_model_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        classifier(**options)


@pytest.mark.parametrize("shape", [(17,), (2, 17), (2, 0), (2, 3, 4)], ids=str)
def test_a_table_of_ids_that_does_not_fit_is_refused(shape):
    with pytest.raises(ValueError, match=r"T from 1 to max_length=16, got"):
        classifier()(torch.ones(shape, dtype=torch.int64))


@pytest.mark.parametrize("wrong", [-1, 50])
def test_an_id_outside_the_vocabulary_is_refused(wrong):
    with pytest.raises(IndexError):
        classifier()(torch.tensor([[1, wrong]]))

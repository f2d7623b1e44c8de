"""One step: what it does not move stays to the last bit, whatever range the dual leaves."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
from torch.optim import SGD

from mdlib import Hypentropy, LpPotential, MirrorDescent, NegativeEntropy
from mdlib.optim.mirror_step import sharing_memory
from tests.support.halfsquared import HalfSquaredNorm

ANY_P = st.one_of(st.floats(1.05, 20), st.sampled_from([1.05, 1.1, 1.5, 2.0, 3.0, 10.0, 20.0]))
DTYPES = st.sampled_from([torch.float32, torch.float64])


@st.composite
def weights(draw, dtype, sign=True):
    """Some entries of sizes 1e-30 to 1e30, and zeros."""
    size = st.floats(-30, 30).map(lambda e: 10.0**e)
    entry = st.one_of(size, size.map(lambda x: -x) if sign else size, st.just(0.0))
    entries = draw(st.lists(entry, min_size=1, max_size=40))
    return nn.Parameter(torch.tensor(entries, dtype=dtype))


@st.composite
def options(draw):
    """Options that leave a weight of gradient zero where it is; but for normalize, any."""
    return {
        "momentum": draw(st.sampled_from([0.0, 0.9])),
        "maximize": draw(st.booleans()),
        "normalize": draw(st.booleans()),
    }


@given(st.data())
def test_a_learning_rate_of_zero_leaves_every_weight_bit_for_bit(data):
    w = data.draw(weights(data.draw(DTYPES)))
    decay = data.draw(st.sampled_from([0.0, 0.1]))
    psi = LpPotential(data.draw(ANY_P))
    optimizer = MirrorDescent([w], 0.0, psi, weight_decay=decay, **data.draw(options()))
    before = w.detach().clone()
    for _ in range(3):
        w.grad = torch.randn_like(w)
        optimizer.step()
        assert torch.equal(w, before)


@given(st.data())
def test_a_gradient_of_zero_leaves_every_weight_bit_for_bit(data):
    """In the step after others too, for the weights of zero gradient among those that move."""
    w = data.draw(weights(data.draw(DTYPES)))
    optimizer = MirrorDescent([w], 0.1, LpPotential(data.draw(ANY_P)), **data.draw(options()))
    before = w.detach().clone()
    w.grad = torch.zeros_like(w)
    optimizer.step()
    assert torch.equal(w, before)
    for _ in range(2):
        w.grad[::2] = torch.randn_like(w[::2])
        optimizer.step()
        assert torch.equal(w[1::2], before[1::2])


@given(st.data())
def test_other_potentials_leave_a_weight_of_zero_gradient_too(data):
    dtype = data.draw(DTYPES)
    psi = data.draw(st.sampled_from([NegativeEntropy(), Hypentropy(1e-3), Hypentropy(10.0)]))
    w = data.draw(weights(dtype, sign=isinstance(psi, Hypentropy)))
    before = w.detach().clone()
    optimizer = MirrorDescent([w], 0.1, psi)
    for _ in range(2):
        w.grad = torch.zeros_like(w)
        w.grad[::2] = 1.0
        optimizer.step()
        assert torch.equal(w[1::2], before[1::2])


@pytest.mark.parametrize("rows", [10, 30_000])  # one piece, and several
@pytest.mark.parametrize("p", [1.1, 3, 10, 20])
def test_rows_of_an_embedding_that_no_batch_reads_stay(p, rows):
    embedding = nn.Embedding(rows, 10)
    nn.init.normal_(embedding.weight, std=0.02)
    before = embedding.weight.detach().clone()
    optimizer = MirrorDescent(embedding.parameters(), 0.1, LpPotential(p), momentum=0.9)
    for _ in range(3):
        optimizer.zero_grad()
        embedding(torch.tensor([2, 5])).sum().backward()
        optimizer.step()
    moved = (embedding.weight != before).any(1)
    assert moved.nonzero()[:, 0].tolist() == [2, 5]


def test_a_potential_that_is_not_separable_moves_all_or_nothing():
    w = nn.Parameter(torch.tensor([0.3, -0.7, 0.11]))
    before = w.detach().clone()
    optimizer = MirrorDescent([w], 0.1, HalfSquaredNorm())
    w.grad = torch.zeros(3)
    optimizer.step()
    assert torch.equal(w, before)
    w.grad[0] = 1.0
    optimizer.step()
    assert (w != before).all()


def test_a_weight_whose_dual_underflows_leaves_with_its_first_gradient():
    """p = 20: the dual of 1e-3 is 1e-57. Every step that float32 knows is longer than that."""
    w = nn.Parameter(torch.tensor([1e-3, 1e-3]))
    optimizer = MirrorDescent([w], 1.0, LpPotential(20))
    w.grad = torch.tensor([0.0, 1e-19])
    for steps in (1, 2):
        optimizer.step()
        assert w[0] == torch.tensor(1e-3)
        assert w[1].item() == pytest.approx(-((steps * 1e-19) ** (1 / 19)), rel=1e-6)


def test_a_weight_whose_dual_overflows_stays_finite():
    w = nn.Parameter(torch.tensor([1e30, 1.0]))
    optimizer = MirrorDescent([w], 0.5, LpPotential(3))
    w.grad = torch.tensor([1.0, 0.5])
    optimizer.step()
    assert w.tolist() == pytest.approx([1e30, math.sqrt(0.75)])


@pytest.mark.parametrize("p", [1.1, 3, 20])
def test_asking_for_the_state_leaves_the_weights(p):
    """torch takes a step of length 0 on zero gradients to make the state."""
    model = nn.Linear(20, 20)
    nn.init.normal_(model.weight, std=0.02)
    before = [w.detach().clone() for w in model.parameters()]
    optimizer = MirrorDescent(model.parameters(), 0.1, LpPotential(p), momentum=0.9)
    get_optimizer_state_dict(model, optimizer)
    assert all(map(torch.equal, before, model.parameters()))


# ---- parameters that share memory ---------------------------------------------------------------


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_two_parameters_on_one_storage_take_both_steps(momentum):
    """As SGD does, and with the mirror map from wherever the first has gone."""
    pairs = []
    for make in (MirrorDescent, SGD):
        a, b = (nn.Parameter(torch.ones(4, dtype=torch.float64)) for _ in range(2))
        b.data = a.data
        optimizer = make([a, b], lr=0.1, momentum=momentum)
        for _ in range(3):
            a.grad, b.grad = torch.full_like(a, 1.0), torch.full_like(b, 0.5)
            optimizer.step()
        pairs.append((a.detach(), b.detach()))
    for ours, theirs in zip(*pairs, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=0)


def test_a_part_and_its_whole_take_both_steps():
    psi = LpPotential(3)
    a, b = (nn.Parameter(torch.ones(shape)) for shape in ((2, 3), (2,)))
    b.data = a.data[:, 1]  # a column: not contiguous
    optimizer = MirrorDescent([b, a], 0.1, psi)
    a.grad, b.grad = torch.ones(2, 3), torch.ones(2)
    optimizer.step()
    torch.testing.assert_close(psi.mirror(a.detach()), torch.tensor([[0.9, 0.8, 0.9]] * 2))


def test_who_shares_memory():
    flat = torch.zeros(12)
    halves = [flat[:6], flat[6:]]
    assert sharing_memory([*halves, torch.zeros(0), torch.zeros(3)]) == set()
    assert sharing_memory([torch.zeros(3), *halves, flat[5:7]]) == {1, 2, 3}
    square = torch.zeros(3, 3)
    assert sharing_memory([square, square.mT]) == {0, 1}
    assert sharing_memory([flat, flat[2:4], flat[8:]]) == {0, 1, 2}
    assert sharing_memory([torch.zeros(3, device="meta"), torch.zeros(3, device="meta")]) == set()

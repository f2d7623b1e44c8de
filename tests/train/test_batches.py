"""The order of an epoch, and the examples that batches are made of."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib.train import Arrays, Sequences
from mdlib.train.batches import epoch_batches, sorted_batches

LENGTHS = torch.randint(10, 500, (2_000,), generator=torch.Generator().manual_seed(0))


def padded(batches, lengths=LENGTHS):
    """Tokens computed, padding included, over tokens there."""
    return sum(len(b) * int(lengths[b].max()) for b in batches) / int(lengths.sum())


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=60),
    batch_size=st.integers(1, 70),
    epoch=st.integers(0, 5),
    bucket=st.integers(1, 9),
)
def test_an_epoch_has_every_example_once(lengths, batch_size, epoch, bucket):
    batches = epoch_batches(torch.tensor(lengths), batch_size, 0, epoch, bucket)
    assert torch.cat(batches).sort().values.tolist() == list(range(len(lengths)))
    assert len(batches) == -(-len(lengths) // batch_size)
    assert sorted(map(len, batches))[1:] == [batch_size] * (len(batches) - 1)


def same(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    torch.manual_seed(1)
    first = epoch_batches(LENGTHS, 32, seed=3, epoch=7)
    torch.manual_seed(2)
    assert same(first, epoch_batches(LENGTHS, 32, seed=3, epoch=7))
    assert not same(first, epoch_batches(LENGTHS, 32, seed=3, epoch=8))
    assert not same(first, epoch_batches(LENGTHS, 32, seed=4, epoch=7))
    assert not same(first, epoch_batches(LENGTHS, 32, seed=7, epoch=3))


def test_batches_are_of_similar_length_and_come_in_no_order_of_length():
    batches = epoch_batches(LENGTHS, 20, seed=0, epoch=0, bucket=50)
    assert padded(batches) < 1.05
    assert padded(epoch_batches(LENGTHS, 20, seed=0, epoch=0, bucket=1)) > 1.5
    longest = torch.tensor([float(LENGTHS[b].max()) for b in batches])
    ranks = torch.stack([torch.arange(len(longest)).float(), longest])
    assert abs(float(torch.corrcoef(ranks)[0, 1])) < 0.3


def test_a_pool_of_one_batch_is_a_plain_shuffle():
    """Over many epochs two examples, however long, meet as often as any two do: 1 time in 4."""
    lengths = torch.tensor([1, 1, 9, 9, 5])
    met = 0
    for epoch in range(400):
        met += any({0, 1} <= set(b.tolist()) for b in epoch_batches(lengths, 2, 0, epoch, 1))
    assert 400 * 0.2 - 40 < met < 400 * 0.2 + 40


def test_an_evaluation_begins_with_the_longest():
    batches = sorted_batches(LENGTHS, 30)
    found = LENGTHS[torch.cat(batches)]
    assert (found.diff() <= 0).all()
    assert torch.cat(batches).sort().values.tolist() == list(range(len(LENGTHS)))


# ---- examples -----------------------------------------------------------------------------------


@given(st.lists(st.lists(st.integers(1, 50), min_size=1, max_size=9), min_size=1, max_size=9))
def test_a_batch_is_its_sequences_padded_at_the_end(ids):
    examples = Sequences(ids, torch.arange(len(ids)))
    order = torch.randperm(len(ids))
    (padded_ids,), labels = examples.collate(order)
    assert padded_ids.dtype == torch.int64
    assert padded_ids.shape[1] == max(map(len, ids)) == int(examples.lengths.max())
    assert labels.tolist() == order.tolist()
    for row, i in zip(padded_ids.tolist(), order.tolist(), strict=True):
        assert row == ids[i] + [0] * (len(row) - len(ids[i]))


def test_the_fingerprint_is_of_the_content():
    base = Sequences([[1, 2], [3]], [0, 1])
    assert (
        base.fingerprint == Sequences([torch.tensor([1, 2]), [3]], torch.tensor([0, 1])).fingerprint
    )
    others = [
        Sequences([[1], [2, 3]], [0, 1]),
        Sequences([[1, 2], [4]], [0, 1]),
        Sequences([[1, 2], [3]], [1, 1]),
        Sequences([[1, 2], [3]], [0, 1], padding=9),
    ]
    images = torch.rand(4, 2, 3)
    assert Arrays(images, range(4)).fingerprint == Arrays(images.clone(), range(4)).fingerprint
    others += [
        Arrays(images, range(4)),
        Arrays(images + 1e-6, range(4)),
        Arrays(images.view(4, 3, 2), range(4)),
        Arrays(images, [0, 1, 2, 2]),
    ]
    assert len({one.fingerprint for one in [base, *others]}) == 9


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Sequences([], []), "there are no examples"),
        (lambda: Sequences([[1], []], [0, 1]), r"example 1 is empty; begin .* \[CLS\]"),
        (lambda: Sequences([[1], [2]], [0]), r"one label for each of 2 examples, got \(1,\)"),
        (lambda: Arrays(torch.zeros(0, 2), []), "there are no examples"),
        (lambda: Arrays(torch.zeros(2, 2), [[0], [1]]), r"2 examples, got \(2, 1\)"),
    ],
)
def test_examples_that_are_none_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()

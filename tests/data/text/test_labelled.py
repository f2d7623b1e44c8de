"""Rows of texts stay together with their labels; a split parts no near texts."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib.data.text.labelled import TextData


@given(rows=st.lists(st.integers(0, 3)))
def test_rows_are_taken_with_all_that_belongs_to_them(rows):
    also = torch.tensor([True, False, False, True])
    data = TextData("four", tuple("abcd"), torch.tensor([0, 1, 0, 1]), 3, {"test": also})
    mask = torch.tensor([i in rows for i in range(4)])
    assert data[mask].texts == tuple("abcd"[i] for i in sorted(set(rows)))
    for taken in (data[rows], data[torch.tensor(rows, dtype=torch.int64)]):
        assert taken.texts == tuple("abcd"[i] for i in rows)
        assert taken.labels.tolist() == [i % 2 for i in rows]
        assert taken.also_in["test"].tolist() == [i in (0, 3) for i in rows]
        assert (taken.name, taken.run, len(taken)) == ("four", 3, len(rows))


def test_a_split_parts_the_rows_and_no_near_texts():
    texts = tuple(f"w{i // 3} x{i // 3} y{i // 3} z{i}" for i in range(60))
    data = TextData("sixty", texts, torch.arange(60) % 2, run=3)
    train, validation = data.split(fraction=0.25, seed=3)
    assert (train.name, validation.name) == ("sixty, rest", "sixty, held out")
    assert len(validation) == 15
    assert sorted(train.texts + validation.texts) == sorted(texts)
    assert not {t[:9] for t in train.texts} & {t[:9] for t in validation.texts}
    for part in (train, validation):
        assert part.labels.tolist() == [texts.index(text) % 2 for text in part.texts]

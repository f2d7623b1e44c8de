"""JSON is read into dataclasses and written again; what does not fit is refused with its place."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import pytest
import torch

from mdlib.runs.schema import dumps, named, others, plain, read

T = TypeVar("T")


class Pair(NamedTuple):
    word: str
    times: int


@dataclass(frozen=True)
class Leaf:
    size: float
    note: str | None = None
    by_chance: float | None = field(default=None, metadata=named("by chance"))


@dataclass(frozen=True)
class Tree(Generic[T]):
    leaves: tuple[T, ...]
    first: T
    by_name: Mapping[str, T]
    pairs: tuple[Pair, ...]
    mixed: tuple[int, tuple[float, ...]]
    needed: int | None
    angles: Mapping[str, float] = field(metadata=others("angle "))
    rest: Mapping[str, float] = field(metadata=others())


JSON = {
    "leaves": [{"size": 1.5}, {"size": 2, "note": "so", "by chance": 0.5}],
    "first": {"size": 1},
    "by_name": {"a b": {"size": 0.0}},
    "pairs": [["so", 2]],
    "mixed": [1, [0.5, 1]],
    "needed": None,
    "angle 2": 0.5,
    "x y": 3.0,
}


def test_every_kind_of_value_survives():
    tree = read(Tree[Leaf], JSON)
    assert tree.leaves == (Leaf(1.5), Leaf(2, "so", 0.5))
    assert tree.by_name["a b"] == Leaf(0.0)
    assert tree.pairs == (Pair("so", 2),)
    assert tree.pairs[0].times == 2
    assert tree.mixed == (1, (0.5, 1))
    assert (tree.angles, tree.rest) == ({"2": 0.5}, {"x y": 3.0})
    assert plain(tree) == JSON


def test_an_old_object_lacks_what_has_a_default():
    assert read(Leaf, {"size": 1.0}) == Leaf(1.0)
    assert plain(Leaf(1.0)) == {"size": 1.0}
    assert plain(Leaf(1.0, by_chance=0.5)) == {"size": 1.0, "by chance": 0.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": {}}, r"Leaf at first lacks size"),
        ({"first": {"size": 1, "sise": 2}}, r"Leaf at first has no field sise"),
        ({"first": {"size": "1"}}, r"first\.size should be of type float, got '1'"),
        ({"leaves": [{"size": 1}, 2]}, r"leaves\.1 should be an object, got 2"),
        ({"leaves": {}}, r"leaves should be a list, got {}"),
        ({"by_name": {"a": {"size": None}}}, r"by_name\.a\.size should be of type float, got None"),
        ({"by_name": []}, r"by_name should be an object, got \[\]"),
        ({"mixed": [1]}, r"mixed should be a list of 2, got \[1\]"),
        ({"mixed": [1.5, []]}, r"mixed\.0 should be of type int, got 1\.5"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_place(change, message):
    with pytest.raises(ValueError, match=message):
        read(Tree[Leaf], JSON | change)


def test_all_that_is_missing_is_named():
    with pytest.raises(ValueError, match="Leaf at the top lacks size"):
        read(Leaf, {"note": None})


def test_numbers_are_written_to_six_digits_and_those_that_are_none_are_refused():
    assert dumps(Leaf(2 / 3, "é")) == '{"size": 0.666667, "note": "é"}\n'
    assert dumps({"n": 123456789}) == '{"n": 123456789}\n'
    with pytest.raises(ValueError, match="size is nan"):
        dumps(Leaf(float("nan")))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"test": [{"loss": math.inf}]}, "test.0.loss is inf, and JSON holds finite numbers only"),
        ({"test": np.array([1, math.nan])}, "test.1 is nan, and JSON holds finite numbers only"),
        (Leaf(torch.tensor(math.nan)), "size is nan, and JSON holds finite numbers only"),
        ({"test": {1, 2}}, "test is {1, 2}, which JSON cannot hold"),
        ({"test": {(1, 2): 3}}, r"test has the key \(1, 2\), which JSON cannot hold"),
    ],
    ids=str,
)
def test_what_json_cannot_hold_is_named(value, message):
    with pytest.raises((TypeError, ValueError), match=f"^{message}$"):
        plain(value)


def test_keys_of_numpy_are_keys():
    assert plain({np.int64(3): np.bool_(True)}) == {3: True}

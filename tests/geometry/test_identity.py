"""What a potential was built from: equal in every process, and for no other potential."""

import functools
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from mdlib import Hypentropy, LpPotential, MirrorDescent, NegativeEntropy
from tests.support.halfsquared import HalfSquaredNorm
from tests.support.ownpotentials import Bent, Scaled, Weighted

ROOT = Path(__file__).parents[2]
MATRIX = torch.linspace(0.5, 1.5, 1600).reshape(40, 40)


def changed(matrix):
    """The middle of a large tensor, which its repr leaves out."""
    other = matrix.clone()
    other[20, 20] += 1e-6
    return other


def power(e):
    return lambda w: w**e


SAME = {
    "numbers": (lambda: Scaled(2), lambda: Scaled(np.float32(2))),
    "a matrix": (lambda: Weighted(MATRIX), lambda: Weighted(MATRIX.clone())),
    "an array": (lambda: Weighted(MATRIX.numpy()), lambda: Weighted(MATRIX.numpy().copy())),
    "a function": (lambda: Bent(math.exp), lambda: Bent(f=math.exp)),
    "a lambda": (lambda: Bent(power(3)), lambda: Bent(power(3))),
    "a partial": (lambda: Bent(functools.partial(pow, 2)),) * 2,
    "another potential": (lambda: Bent(Scaled(1)), lambda: Bent(Scaled(1.0))),
    "an object": (lambda: Bent(HalfSquaredNorm().mirror),) * 2,
    "containers": (lambda: Bent([1, {"a": (2, "b")}, {3, 4}]),) * 2,
}
OTHER = {
    "numbers": (Scaled(2), Scaled(2.1)),
    "a matrix": (Weighted(MATRIX), Weighted(changed(MATRIX))),
    "its shape": (Weighted(MATRIX), Weighted(MATRIX.reshape(20, 80))),
    "its dtype": (Weighted(torch.zeros(2)), Weighted(torch.zeros(1, dtype=torch.float64))),
    "an array": (Weighted(MATRIX.numpy()), Weighted(changed(MATRIX).numpy())),
    "a function": (Bent(math.exp), Bent(math.log)),
    "a lambda": (Bent(lambda w: w**3), Bent(lambda w: w**5)),
    "what a lambda holds": (Bent(power(3)), Bent(power(5))),
    "a partial": (Bent(functools.partial(pow, 2)), Bent(functools.partial(pow, 3))),
    "another potential": (Bent(Scaled(1)), Bent(Scaled(2))),
    "containers": (Bent([1, {"a": (2, "b")}]), Bent([1, {"a": (2, "c")}])),
    "truth": (Bent(True), Bent(1)),
    "large integers": (Bent(2**53 + 1), Bent(2**53 + 2)),
    "a class": (Scaled(1.0), Hypentropy(1.0)),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_built_alike_is_the_same(pair):
    first, second = (make() for make in pair)
    assert first.identity == second.identity
    assert " at 0x" not in first.identity


@pytest.mark.parametrize("pair", OTHER.values(), ids=OTHER)
def test_built_otherwise_is_another(pair):
    first, second = pair
    assert first.identity != second.identity
    w = torch.nn.Parameter(torch.ones(2))
    saved = MirrorDescent([w], potential=first).state_dict()
    with pytest.raises(ValueError, match="build it with the same potential"):
        MirrorDescent([w], potential=second).load_state_dict(saved)


def test_those_of_the_library_read_as_they_always_did():
    """States saved before there was an identity hold these lines."""
    lines = [psi.identity for psi in (LpPotential(1.5), NegativeEntropy(), Hypentropy())]
    assert lines == ["LpPotential(p=1.5)", "NegativeEntropy()", "Hypentropy(beta=1.0)"]
    assert [LpPotential(p).identity for p in (2, np.int64(2), torch.tensor(2.0))] == [
        "LpPotential(p=2.0)"
    ] * 3


@pytest.mark.parametrize("make", [lambda: Scaled(2.0), lambda: Weighted(MATRIX)])
def test_what_it_computes_is_no_part_of_it(make):
    used, fresh = make(), make()
    used.inverse(used.mirror(torch.ones(40, 40)))
    used.calls = 7
    assert vars(used).keys() != vars(fresh).keys()
    assert used.identity == fresh.identity


def test_an_object_that_holds_itself_has_an_end():
    circle = []
    circle.append(circle)
    assert Bent(circle).identity == "Bent(f=[...], factor=1.0)"


def test_a_wrong_call_is_refused_by_the_constructor():
    with pytest.raises(TypeError, match="factor"):
        Scaled()
    with pytest.raises(TypeError, match="other"):
        Scaled(1, other=2)


NEXT = """
import sys, torch
from mdlib import MirrorDescent
from tests.support.ownpotentials import Bent, Scaled, Weighted, cube
matrix = torch.linspace(0.5, 1.5, 1600).reshape(40, 40)
for i, psi in enumerate((Scaled(2.0), Bent(cube), Bent(lambda w: w + 1), Weighted(matrix))):
    w = torch.nn.Parameter(torch.ones(40, 40))
    optimizer = MirrorDescent([w], 0.1, psi)
    if sys.argv[1] == "save":
        w.grad = torch.ones_like(w)
        optimizer.step()
        torch.save(optimizer.state_dict(), f"{sys.argv[2]}/{i}.pt")
    else:
        optimizer.load_state_dict(torch.load(f"{sys.argv[2]}/{i}.pt", weights_only=True))
"""


def test_the_next_process_loads_it(tmp_path):
    for what in ("save", "load"):
        command = [sys.executable, "-c", NEXT, what, str(tmp_path)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        subprocess.run(command, env=environment, cwd=ROOT, check=True, timeout=120)

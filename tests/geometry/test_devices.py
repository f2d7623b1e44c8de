"""Everything stays on the device of what it is given, whatever torch's default device is."""

import numpy as np
import pytest
import torch

from mdlib import (
    AttentionProblem,
    LpPotential,
    MirrorDescent,
    ProximalSGD,
    attention_descent,
    attention_path,
    attention_svm,
    check_potential,
    classifier_svm,
    joint_descent,
    joint_path,
)
from mdlib.svm import margin_shrinkage, race_svm

X = np.random.default_rng(0).normal(size=(3, 4, 5))


def problem():
    return AttentionProblem(X, [1, -1, 1], X[:, 0], np.ones((3, 4), dtype=bool))


def planted():
    return AttentionProblem.planted(3, 3, 8, 2, seed=[1], spare=1, rival=0.5)[0][0]


def stepped(make):
    w = torch.nn.Parameter(torch.linspace(-1, 1, 200_000, device="cpu"))
    optimizer = make([w])
    w.grad = torch.ones_like(w)
    optimizer.step()
    return w.detach()


def numbers(p, steps):
    v = torch.linspace(1, 2, 5, dtype=torch.float64, device="cpu")
    asked = problem()
    tokens = asked.optimal_tokens(v)
    drawn, decoder = AttentionProblem.random(3, 4, 5, seed=[1, 2])
    joint = joint_descent(asked, p, steps)
    yield attention_descent(drawn, decoder, p, steps).W
    yield attention_descent(asked.double(), v.numpy(), p, steps, record=[0, steps]).steps
    yield attention_descent(asked, v, type("Own", (LpPotential,), {})(p), 5).risk
    yield joint.v
    yield attention_svm(asked, tokens, p).W
    yield attention_svm(asked, tokens, p, required=[True, True, False]).W
    yield classifier_svm(X[:, 0], [1, -1, 1], p).v
    yield race_svm(asked, tokens, joint.W[-1], joint.v[-1], p).norm
    yield attention_path(asked, v, p, radii=[1.0, 10.0]).W
    yield joint_path(asked, p, r=[1.0, 2.0], R=[1.0, 2.0]).v
    yield torch.tensor(margin_shrinkage(planted(), [0, 0, 0], p, limit=5).rate, device="cpu")
    yield stepped(lambda w: MirrorDescent(w, 0.1, LpPotential(p), momentum=0.9, normalize=True))
    yield stepped(lambda w: ProximalSGD(w, 0.1, 0.1))
    assert all(check.passed for check in check_potential(LpPotential(p), verbose=False))


@pytest.mark.parametrize("p", [1.5, 3])
def test_the_default_device_is_left_alone(p):
    """The meta device computes nothing: whatever strays there is noticed."""
    expected = list(numbers(p, 50))
    with torch.device("meta"):
        found = list(numbers(p, 50))
    for ours, theirs in zip(found, expected, strict=True):
        assert torch.equal(ours, theirs)

"""The exponent as people hand it over: any real number, the same answer."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
import torch

from mdlib import (
    AttentionProblem,
    LpPotential,
    attention_descent,
    attention_path,
    attention_svm,
    classifier_svm,
    directional_divergence,
    is_locally_optimal,
    joint_descent,
    joint_path,
)
from mdlib.geometry.exponent import exponent

TWOS = [2, 2.0, np.int64(2), np.float32(2), np.array(2), torch.tensor(2), torch.tensor([2.0])]
TWOS += [Fraction(2), Decimal(2), torch.tensor(2, dtype=torch.bfloat16)]


def test_a_number_is_read_as_the_decimal_that_it_shows():
    for p in (1.1, np.float32(1.1), np.float16(1.1), torch.tensor(1.1), Decimal("1.1"), "11/10"):
        assert exponent(Fraction(p) if isinstance(p, str) else p) == 1.1
    assert exponent(torch.tensor(1.5, requires_grad=True)) == 1.5


@pytest.mark.parametrize("p", ["2", 2j, None, [2], torch.ones(2), np.ones(2), torch.tensor(2j)])
def test_what_is_no_real_number_is_refused(p):
    with pytest.raises(TypeError, match=r"p must be a real number such as 1\.5, got"):
        LpPotential(p)
    problem, v = AttentionProblem.random(2, 3, 2, seed=1)
    with pytest.raises(TypeError, match="p must be a real number"):
        attention_descent(problem, v, p, 2)


PROBLEM, V = AttentionProblem.random(3, 4, 5, seed=1)
TOKENS = PROBLEM.optimal_tokens(V)
ASKED = {
    "attention_descent": lambda p: attention_descent(PROBLEM, V, p, 20).W,
    "joint_descent": lambda p: joint_descent(PROBLEM, p, 20).W,
    "joint_descent of two": lambda p: joint_descent(PROBLEM, (p, 3), 20).v,
    "attention_svm": lambda p: attention_svm(PROBLEM, TOKENS, p).W,
    "attention_svm by cvxpy": lambda p: attention_svm(PROBLEM, TOKENS, p, solver="cvxpy").W,
    "classifier_svm": lambda p: classifier_svm([[3.0, 1.0], [1.0, 3.0]], [1, -1], p).v,
    "is_locally_optimal": lambda p: is_locally_optimal(PROBLEM, TOKENS, V, p),
    "attention_path": lambda p: attention_path(PROBLEM, V, p, radii=[1.0, 10.0]).W,
    "joint_path": lambda p: joint_path(PROBLEM, p, r=[1.0], R=[1.0]).W,
    "directional_divergence": lambda p: directional_divergence(PROBLEM.X[0], PROBLEM.X[1], p),
    "planted": lambda p: AttentionProblem.planted(3, 4, 5, p, seed=np.int64(1))[0].X,
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_every_kind_of_two_is_two(ask):
    expected = ask(2.0)
    for p in TWOS:
        assert torch.equal(ask(p), expected), repr(p)


def test_a_count_may_be_any_integer():
    runs = [attention_descent(PROBLEM, V, 2, n, record=n) for n in (10, np.int64(10))]
    assert torch.equal(runs[0].W, runs[1].W)
    assert math.prod(AttentionProblem.random(2, 3, 2, seed=np.uint8(3))[0].X.shape) == 12

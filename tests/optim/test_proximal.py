"""ProximalSGD: six lines of numpy, torch's SGD without a penalty, exact zeros with one."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mdlib.optim.proximal import ProximalSGD


def slow(w, grads, lr, penalty, momentum):
    m = np.zeros_like(w)
    for g in grads:
        m = momentum * m + g
        u = w - lr * m
        w = np.array([max(abs(x) - lr * penalty, 0.0) * np.sign(x) for x in u])
    return w


def steps(w, grads, make):
    param = torch.nn.Parameter(torch.tensor(w))
    optimizer = make([param])
    for g in grads:
        param.grad = torch.tensor(g)
        optimizer.step()
    return param.detach().numpy()


@given(
    lr=st.floats(1e-3, 1.0),
    penalty=st.floats(0.0, 2.0),
    momentum=st.floats(0.0, 0.95),
    draw=st.integers(0, 2**31),
)
def test_the_slow_twin(lr, penalty, momentum, draw):
    rng = np.random.default_rng(draw)
    w, grads = rng.normal(size=8), rng.normal(size=(5, 8))
    found = steps(w, grads, lambda params: ProximalSGD(params, lr, penalty, momentum))
    assert np.allclose(found, slow(w, grads, lr, penalty, momentum), rtol=1e-12, atol=1e-14)


def test_without_a_penalty_it_is_sgd():
    rng = np.random.default_rng(0)
    w, grads = rng.normal(size=8), rng.normal(size=(20, 8))
    found = steps(w, grads, lambda params: ProximalSGD(params, 0.1, momentum=0.9))
    assert np.array_equal(found, steps(w, grads, lambda p: torch.optim.SGD(p, 0.1, momentum=0.9)))


def test_the_end_is_optimal_and_its_zeros_are_exact():
    # 0 is in (A^T A w - A^T b) + penalty * (the subgradient of the l_1 norm).
    rng = np.random.default_rng(1)
    A, b, penalty = torch.tensor(rng.normal(size=(30, 10))), torch.tensor(rng.normal(size=30)), 4.0
    w = torch.nn.Parameter(torch.zeros(10, dtype=torch.float64))
    optimizer = ProximalSGD([w], 0.01, penalty)
    for _ in range(3000):
        optimizer.zero_grad()
        (0.5 * (A @ w - b).square().sum()).backward()
        optimizer.step()
    gradient = (A.T @ (A @ w - b)).detach()
    kept = w.detach() != 0
    assert 0 < kept.sum() < 10
    assert torch.allclose(gradient[kept], -penalty * w.detach()[kept].sign(), atol=1e-8)
    assert (gradient[~kept].abs() < penalty).all()


def test_groups_parameters_without_gradient_and_the_rate_of_the_moment():
    first, second, third = (torch.nn.Parameter(torch.ones(2)) for _ in range(3))
    groups = [{"params": [first, third]}, {"params": [second], "penalty": 0.0}]
    optimizer = ProximalSGD(groups, lr=0.5, penalty=1.0)
    for param in (first, second):
        param.grad = torch.zeros(2)
    optimizer.param_groups[0]["lr"] = 0.25  # a schedule
    optimizer.step()
    assert [param.tolist() for param in (first, second, third)] == [
        [0.75] * 2,
        [1.0] * 2,
        [1.0] * 2,
    ]
    other = ProximalSGD([first, third], lr=0.5)
    other.add_param_group({"params": [second]})
    other.load_state_dict(optimizer.state_dict())
    assert [group["penalty"] for group in other.param_groups] == [1.0, 0.0]


def test_a_closure_is_evaluated_with_gradients():
    w = torch.nn.Parameter(torch.tensor([2.0]))
    optimizer = ProximalSGD([w], lr=0.5, penalty=1.0)

    def closure():
        optimizer.zero_grad()
        loss = w.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert w.item() == 0.0


@pytest.mark.parametrize("penalty", [-1.0, float("nan"), float("inf")])
def test_a_penalty_that_is_none_is_refused(penalty):
    with pytest.raises(ValueError, match="penalty must be finite and >= 0"):
        ProximalSGD([torch.nn.Parameter(torch.ones(1))], penalty=penalty)
    optimizer = ProximalSGD([torch.nn.Parameter(torch.ones(1))])
    with pytest.raises(ValueError, match="penalty must be finite and >= 0"):
        optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))], "penalty": -1.0})

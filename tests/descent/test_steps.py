"""The compiled steps against the tensor operations, and both against autograd."""

import math
import subprocess
import sys

import mpmath
import pytest
import torch

from mdlib import AttentionProblem, LpPotential, attention_descent, joint_descent
from mdlib.descent.kernel import descend
from mdlib.descent.steps import CompiledSteps, TorchSteps, Weight

PS = [1.1, 1.5, 1.75, 2, 3, 10]
LOSSES = ["logistic", "exponential", "linear"]


def padded(n=4, T=5, d=3, seeds=(1, 2, 3)):
    problems, _ = AttentionProblem.random(n, T, d, seed=seeds)
    lengths = torch.randint(1, T + 1, problems.y.shape, generator=torch.manual_seed(0))
    mask = torch.arange(T) < lengths[..., None]
    return AttentionProblem(problems.X, problems.y, problems.z, mask)


def with_twin_tokens():
    """Every token twice: ties in logit and in score wherever W and v stand."""
    problems, _ = AttentionProblem.random(4, 3, 3, seed=[1, 2, 3])
    return AttentionProblem(torch.cat([problems.X] * 2, -2), problems.y, problems.z)


PROBLEMS = {
    "plain": AttentionProblem.random(4, 5, 3, seed=[1, 2, 3])[0],
    "padded": padded(),
    "twin tokens": with_twin_tokens(),
    "one token": AttentionProblem.random(4, 1, 3, seed=[1, 2, 3])[0],
    "one input": AttentionProblem.random(1, 5, 3, seed=[1, 2, 3])[0],
}


def both(problem, W0, v0, p, learns, normalize, loss, lr_W, lr_v):
    """The weights after the same steps by either engine: (compiled W and v), (torch's W and v)."""
    ends = []
    for engine in (CompiledSteps, TorchSteps):
        W = Weight(W0, LpPotential(p), normalize)
        v = Weight(v0, LpPotential(p) if learns else None, normalize)
        engine(problem, W, v, loss, torch.Size([len(W0)])).advance(lr_W, lr_v)
        ends.append((W, v))
    return ends


@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("p", PS)
def test_the_engines_agree(kind, p, learns, normalize, loss, seed):
    """From soft attention up to logits and margins in the thousands, where slopes underflow."""
    torch.manual_seed(seed)
    psi = LpPotential(p)
    for size in (0.0, 1.0, 1e2, 1e4):
        W0 = size * torch.randn(3, 3, 3, dtype=torch.float64)
        v0 = (size or 1) * torch.randn(3, 1, 3, dtype=torch.float64)
        step = 0.01 * psi.mirror(torch.tensor(size or 0.1, dtype=torch.float64)).item()
        if not normalize and loss == "exponential" and size > 1:
            continue  # exp of a margin of -1e2: no plain step is short enough
        ours, twins = both(
            PROBLEMS[kind], W0, v0, p, learns, normalize, loss, [step] * 4, [2 * step] * 4
        )
        for weight, twin in zip(ours, twins, strict=True):
            scale = twin.value.abs().max()
            torch.testing.assert_close(weight.value, twin.value, rtol=1e-9, atol=1e-9 * scale)
            torch.testing.assert_close(weight.log_time, twin.log_time, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("engine", [CompiledSteps, TorchSteps])
@pytest.mark.parametrize("kind", PROBLEMS)
@pytest.mark.parametrize("loss", LOSSES)
def test_a_plain_step_at_p_2_is_the_gradient_by_autograd(engine, kind, loss, seed):
    torch.manual_seed(seed)
    problem = PROBLEMS[kind]
    W0 = torch.randn(3, 3, 3, dtype=torch.float64)
    v0 = torch.randn(3, 1, 3, dtype=torch.float64)
    W, v = (Weight(start, LpPotential(2), normalize=False) for start in (W0, v0))
    engine(problem, W, v, loss, torch.Size([3])).advance([1.0], [1.0])
    W0.requires_grad_()
    v0.requires_grad_()
    problem.risk(W0, v0[:, 0], loss).sum().backward()
    torch.testing.assert_close(W0.detach() - W.value, W0.grad, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(v0.detach() - v.value, v0.grad, rtol=1e-12, atol=1e-14)


def exact_direction(problem, W, v):
    """The unit gradients in W and v of one problem, by the textbook, for the logistic loss."""
    with mpmath.workdps(6000):  # so that 1 - e^-5000 is not 1, twice over
        X, y, z = (
            [[list(map(mpmath.mpf, t)) for t in x] for x in problem.X.tolist()],
            problem.y.tolist(),
            problem.z.tolist(),
        )
        W, v = [list(map(mpmath.mpf, row)) for row in W.tolist()], list(map(mpmath.mpf, v.tolist()))
        d = len(v)
        in_W, in_v = mpmath.zeros(d, d), mpmath.zeros(d, 1)
        for i in range(len(X)):
            query = [sum(W[a][c] * z[i][c] for c in range(d)) for a in range(d)]
            logits = [sum(t[a] * query[a] for a in range(d)) for t in X[i]]
            odds = [mpmath.exp(logit - max(logits)) for logit in logits]
            s = [o / sum(odds) for o in odds]
            gamma = [y[i] * sum(t[a] * v[a] for a in range(d)) for t in X[i]]
            m = sum(a * b for a, b in zip(s, gamma, strict=True))
            slope = -1 / (1 + mpmath.exp(m))
            for t, token in enumerate(X[i]):
                for a in range(d):
                    in_v[a] += slope * y[i] * s[t] * token[a]
                    for c in range(d):
                        in_W[a, c] += slope * s[t] * (gamma[t] - m) * token[a] * z[i][c]
        unit = [
            torch.tensor([float(g / mpmath.norm(grad)) for g in grad], dtype=torch.float64)
            for grad in (in_W, in_v)
        ]
        return unit[0].view(d, d), unit[1]


@pytest.mark.parametrize("engine", [CompiledSteps, TorchSteps])
@pytest.mark.parametrize("gap", [50.0, 500.0, 5000.0])
def test_a_normalised_step_is_exact_after_saturation(engine, gap, seed):
    """Logit gaps and margins of thousands, against thousands of digits."""
    problem, v = AttentionProblem.random(n=3, T=4, d=3, seed=seed + 1)
    W0 = torch.randn(1, 3, 3, dtype=torch.float64, generator=torch.manual_seed(seed))
    spread = problem.logits(W0[0]).sort(-1).values
    W0 *= gap / (spread[:, -1] - spread[:, -2]).max()
    v0 = gap * v.view(1, 1, 3)
    W, weight_v = (Weight(torch.zeros_like(x), LpPotential(2)) for x in (W0, v0))
    W.value[:] = W0  # while the dual starts at 0: what it is afterwards is the step
    weight_v.value[:] = v0
    engine(problem, W, weight_v, "logistic", torch.Size([1])).advance([1.0], [1.0])
    in_W, in_v = exact_direction(problem, W0[0], v0[0, 0])
    torch.testing.assert_close(-W.dual[0], in_W, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(-weight_v.dual[0, 0], in_v, rtol=1e-10, atol=1e-10)


def test_threads_share_the_problems_and_change_nothing():
    problems, _ = AttentionProblem.random(4, 5, 3, seed=range(1, 6))
    threads = torch.get_num_threads()
    runs = []
    try:
        for count in (1, 2, 3, 8):
            torch.set_num_threads(count)
            runs.append(joint_descent(problems, 1.5, 30))
    finally:
        torch.set_num_threads(threads)
    for run in runs[1:]:
        assert torch.equal(run.W, runs[0].W)
        assert torch.equal(run.v, runs[0].v)


def test_who_takes_which_engine():
    problem, v = AttentionProblem.random(2, 3, 4, seed=1)
    W, fixed = Weight(torch.zeros(1, 4, 4).double(), LpPotential(2)), Weight(v.view(1, 1, 4))
    assert CompiledSteps.can(problem, W, fixed)
    own = type("Own", (LpPotential,), {})(2)  # whose maps the kernel cannot know
    assert not CompiledSteps.can(problem, Weight(W.value, own), fixed)
    assert not CompiledSteps.can(problem, W, Weight(fixed.value, own))
    small = AttentionProblem(problem.X.float(), problem.y, problem.z)
    assert not CompiledSteps.can(small, W, fixed)
    wide, _ = AttentionProblem.random(2, 3, 400, seed=1)
    assert not CompiledSteps.can(wide, W, fixed)


@pytest.mark.parametrize("p", [1.75, 3])
def test_a_run_in_pieces_is_the_run(p, monkeypatch):
    """The bar's stride only cuts the loop."""
    problem, v = AttentionProblem.random(4, 5, 3, seed=1)
    whole = attention_descent(problem, v, p, 40, record=[40])
    monkeypatch.setattr("mdlib.descent.loop._STRIDE", 7)
    assert torch.equal(attention_descent(problem, v, p, 40, record=[40]).W, whole.W)
    assert math.isfinite(whole.log_time.item())


def test_one_compilation_serves_every_start_and_rate():
    """The kernel sees transposed weights, and whole or float32 rates, like any others."""
    problems, v = AttentionProblem.random(4, 5, 3, seed=[1, 2, 3])
    attention_descent(problems, v, 2, 2)
    compiled = len(descend.signatures)
    W0 = torch.randn(3, 3, 3, dtype=torch.float64).mT
    v0 = torch.randn(3, 3, dtype=torch.float64).mT
    whole = joint_descent(problems, 2, 4, 1, W0=W0, v0=v0)
    for lr in (1.0, lambda k: torch.tensor(1.0)):
        run = joint_descent(problems, 2, 4, lr, W0=W0.contiguous(), v0=v0.contiguous())
        assert torch.equal(run.W, whole.W)
        assert torch.equal(run.v, whole.v)
    assert len(descend.signatures) == compiled


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("potential", [LpPotential, type("AsTensors", (LpPotential,), {})])
def test_logits_beyond_the_range_are_an_error(potential, normalize):
    """inf - inf is no gradient, and not the same as none."""
    problem, v = AttentionProblem.random(4, 5, 3, seed=1)
    far = AttentionProblem(problem.X, problem.y, 1e10 * problem.z)
    W0 = torch.full((3, 3), 1e300, dtype=torch.float64)
    with pytest.raises(FloatingPointError, match="W is no longer finite by step 1"):
        attention_descent(far, v, potential(2), 3, normalize=normalize, W0=W0)


def test_without_a_folder_for_compiled_code_it_is_compiled_each_time():
    script = """
from numba.core import caching
caching.FunctionCache._impl_class._locator_classes.clear()
from mdlib import AttentionProblem, attention_descent
from mdlib.descent import kernel
problem, v = AttentionProblem.random(2, 3, 2, seed=1)
print(attention_descent(problem, v, 2, 3).W.isfinite().all().item(), kernel.descend.stats)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("True")
    assert "cache_path=None" in run.stdout

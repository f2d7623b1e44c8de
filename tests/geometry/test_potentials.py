"""The potentials against the same formulas in 60 digits, and what they say to bad input.

The algebraic properties (mirror and inverse undo each other, Hoelder, convexity) are in
`mdlib.check_potential`; here are the magnitudes at which formulas lose their digits.
"""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mpmath import mp, mpf

from mdlib import Hypentropy, LpPotential, NegativeEntropy, Potential, directional_divergence

PS = [1.05, 1.1, 1.5, 1.75, 2, 3, 10, 20]
BETAS = [1e-3, 0.1, 1.0, 7.0, 1e3]
LP = [LpPotential(p) for p in PS]
HYPENTROPY = [Hypentropy(beta) for beta in BETAS]
POTENTIALS = [*LP, NegativeEntropy(), *HYPENTROPY]
SIGNED = [*LP, *HYPENTROPY]
WIDE = [torch.float64, torch.float32]
HALF = [torch.float16, torch.bfloat16]

every_potential = pytest.mark.parametrize("psi", POTENTIALS, ids=repr)
every_lp = pytest.mark.parametrize("psi", LP, ids=repr)
every_wide = pytest.mark.parametrize("dtype", WIDE, ids=str)


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(60):
        yield


@dataclass
class Lp:
    """l_p in 60 digits, for numbers of both signs; p is the decimal that its repr shows."""

    p: float

    def phi(self, w):
        return abs(w) ** mpf(str(self.p)) / mpf(str(self.p))

    def mirror(self, w):
        return mp.sign(w) * abs(w) ** (mpf(str(self.p)) - 1)

    def inverse(self, y):
        return mp.sign(y) * abs(y) ** (1 / (mpf(str(self.p)) - 1))

    def mirror_ulps(self, w):
        return _power_ulps(w, self.p - 1)

    def inverse_ulps(self, y):
        return _power_ulps(y, 1 / (self.p - 1))

    def phi_scale(self, w):
        return self.phi(w) * _power_ulps(w, self.p)


def _power_ulps(x, e):
    # A few roundings, the condition number e, and that of the exponent rounded to the dtype.
    return 4 + 2 * e + abs(e * mp.log(abs(x))) / 2 if x else 4


class Entropy:
    def phi(self, w):
        return w * (mp.log(w) - 1) if w else mpf(0)

    def mirror(self, w):
        return mp.log(w) if w else -mp.inf

    def inverse(self, y):
        return mp.exp(y)

    def mirror_ulps(self, w):
        return 4

    inverse_ulps = mirror_ulps

    def phi_scale(self, w):
        return 4 * w * (abs(mp.log(w)) + 1) if w else mpf(0)


@dataclass
class Hyp:
    beta: float

    def phi(self, w):
        return w * mp.asinh(w / mpf(self.beta)) - mp.sqrt(w**2 + mpf(self.beta) ** 2)

    def mirror(self, w):
        return mp.asinh(w / mpf(self.beta))

    def inverse(self, y):
        return mpf(self.beta) * mp.sinh(y)

    def mirror_ulps(self, w):
        return 8

    inverse_ulps = mirror_ulps

    def phi_scale(self, w):
        return 16 * (w * mp.asinh(w / mpf(self.beta)) + mp.sqrt(w**2 + mpf(self.beta) ** 2))


def exact(psi):
    if isinstance(psi, LpPotential):
        return Lp(psi.p)
    return Hyp(psi.beta) if isinstance(psi, Hypentropy) else Entropy()


def exact_divergence(psi, a, b):
    """The definition, in enough digits for a and b that differ in their last bit."""
    ref, digits = exact(psi), 100
    if isinstance(psi, NegativeEntropy) and b == 0:
        return mp.inf if a else mpf(0)
    if isinstance(psi, Hypentropy):  # far below beta it is a square beside beta
        digits += 2 * max(0, -int(mp.log10(max(abs(a), abs(b), mpf(10) ** -330))))
    with mp.workdps(digits):
        return ref.phi(a) - ref.phi(b) - ref.mirror(b) * (a - b)


def magnitudes(dtype, n=60):
    """Numbers >= 0 over the whole range of the dtype, log-uniform, and its landmarks."""
    info = torch.finfo(dtype)
    smallest = info.smallest_normal * info.eps
    bottom, top = math.log2(smallest), math.log2(info.max)
    spread = torch.exp2(bottom + (top - bottom) * torch.rand(n, dtype=torch.float64))
    landmarks = [0, smallest, 3 * smallest, info.smallest_normal, 1e-8, 0.5, 1, 2, 1e8, info.max]
    x = torch.cat([spread, torch.tensor(landmarks, dtype=torch.float64)]).to(dtype)
    return x[x.isfinite()]


def inputs(psi, name, dtype):
    """Both signs where the map allows them."""
    if isinstance(psi, NegativeEntropy) and name != "inverse":
        return magnitudes(dtype)
    # The exponentials leave the range soon: half of their inputs come from where they do not.
    x = magnitudes(dtype)
    if not isinstance(psi, LpPotential):
        x = torch.cat([x, torch.rand(100, dtype=dtype) * 1.1 * math.log(torch.finfo(dtype).max)])
    return torch.cat([x, -x])


def assert_rounded(got, true, error, dtype):
    """``got`` is ``true`` but for ``error``; inf and 0 only where ``true`` leaves the range."""
    info = torch.finfo(dtype)
    assert not math.isnan(got)
    if math.isinf(got) or mp.isinf(true):
        assert abs(true) + error >= info.max * (1 - info.eps), (got, true)
        assert got * mp.sign(true) > 0
    else:
        assert abs(got - true) <= error + 2 * info.smallest_normal * info.eps, (got, true)
        assert got * true >= 0, (got, true)


# ---- mirror, inverse and value against 60 digits ------------------------------------------------


@every_wide
@pytest.mark.parametrize("name", ["mirror", "inverse"])
@every_potential
def test_maps_are_exact_over_the_whole_range(psi, name, dtype):
    ref, eps = exact(psi), torch.finfo(dtype).eps
    x = inputs(psi, name, dtype)
    mapped = getattr(psi, name)(x)
    assert mapped.dtype == dtype
    for entry, got in zip(x.tolist(), mapped.tolist(), strict=True):
        true = getattr(ref, name)(mpf(entry))
        ulps = getattr(ref, f"{name}_ulps")(mpf(entry))
        assert_rounded(got, true, ulps * eps * abs(true) if mp.isfinite(true) else 0, dtype)


@every_wide
@every_potential
def test_value_is_exact_over_the_whole_range(psi, dtype):
    ref, eps = exact(psi), torch.finfo(dtype).eps
    x = inputs(psi, "value", dtype)
    for entry, got in zip(x.tolist(), psi.value(x[:, None], dim=-1).tolist(), strict=True):
        scale = ref.phi_scale(mpf(entry))
        true = ref.phi(mpf(entry))
        assert_rounded(got, true, eps * scale, dtype)


@every_potential
def test_the_sign_of_zero_is_kept(psi):
    zeros = torch.tensor([0.0, -0.0], dtype=torch.float64)
    if isinstance(psi, NegativeEntropy):
        assert psi.mirror(zeros).tolist() == [-math.inf, -math.inf]
        assert psi.inverse(psi.mirror(zeros)).tolist() == [0, 0]
    else:
        for mapped in (psi.mirror(zeros), psi.inverse(zeros)):
            assert mapped.tolist() == [0, 0]
            assert mapped.signbit().tolist() == [False, True]


@pytest.mark.parametrize("dtype", HALF, ids=str)
@pytest.mark.parametrize("name", ["mirror", "inverse", "value"])
@every_potential
def test_half_precision_is_float32_rounded_once(psi, name, dtype):
    x = inputs(psi, name, dtype)
    f = getattr(psi, name)
    kwargs = {"dim": ()} if name == "value" else {}
    assert torch.equal(f(x, **kwargs), f(x.float(), **kwargs).to(dtype))
    assert f(x, **kwargs).dtype == dtype


def test_p_is_the_decimal_you_write():
    assert LpPotential(1.1).inverse(torch.tensor(2.0, dtype=torch.float64)) == 1024
    assert LpPotential(1.05).inverse(torch.tensor(2.0, dtype=torch.float64)) == 2**20
    assert [LpPotential(p).q for p in (1.05, 1.1, 1.5, 2, 3)] == [21, 11, 3, 2, 1.5]
    assert LpPotential(2) == LpPotential(2.0)
    assert repr(LpPotential(2)) == "LpPotential(p=2.0)"


# ---- divergence ---------------------------------------------------------------------------------


def pairs(psi, dtype, n=40):
    """Points at every distance: from the last bit, over the switch at one half, to far apart."""
    info = torch.finfo(dtype)
    scale = torch.exp2(torch.empty(n, dtype=torch.float64).uniform_(-8, 8))
    ratio = torch.exp(torch.empty(n, dtype=torch.float64).uniform_(math.log(info.eps), 1.0))
    b = scale
    a = b * (1 + ratio * torch.randn(n, dtype=torch.float64).sign())
    a = torch.cat([a, 0.5 * b, 1.5 * b, 2.0 * b, 0 * b]).to(dtype)
    b = torch.cat([b, b, b, b, b]).to(dtype)
    a, b = torch.cat([a, b]), torch.cat([b, a])
    if isinstance(psi, NegativeEntropy):
        keep = a >= 0
        return a[keep & (b >= 0)], b[keep & (b >= 0)]
    return torch.cat([a, -a]), torch.cat([b, -b])


@pytest.mark.parametrize(("dtype", "rtol"), [(torch.float64, 2e-13), (torch.float32, 1e-4)])
@every_potential
def test_divergence_is_exact_where_its_definition_cancels(psi, dtype, rtol):
    a, b = pairs(psi, dtype)
    got = psi.divergence(a[:, None], b[:, None], dim=-1)
    for a_j, b_j, d in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
        true = exact_divergence(psi, mpf(a_j), mpf(b_j))
        assert d >= 0
        assert_rounded(d, true, rtol * true if mp.isfinite(true) else 0, dtype)


@every_wide
@every_potential
def test_divergence_over_the_whole_range_leaves_it_only_with_the_true_value(psi, dtype):
    x = inputs(psi, "value", dtype)[::2]
    a, b = x[torch.randperm(len(x))], x
    near = torch.nextafter(x, torch.zeros_like(x))  # and pairs that differ in their last bit
    half = x / 2  # and pairs on the switch
    a, b = torch.cat([a, near, half]), torch.cat([b, x, x])
    got = psi.divergence(a[:, None], b[:, None], dim=-1)
    # Subnormal entries carry few digits of their ratio, and m^p those of the rounded exponent.
    rtol = 1e-11 if dtype == torch.float64 else 1e-4
    floor = torch.finfo(dtype).smallest_normal * 1e-2
    for a_j, b_j, d in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
        true = exact_divergence(psi, mpf(a_j), mpf(b_j))
        assert d >= 0, (a_j, b_j, d)
        if abs(true) > torch.finfo(dtype).smallest_normal:
            assert_rounded(d, true, rtol * true if mp.isfinite(true) else 0, dtype)
        else:
            assert d <= true * (1 + rtol) + floor, (a_j, b_j, d, true)


@given(
    w=st.floats(-1e3, 1e3).filter(lambda w: abs(w) > 1e-3),
    ulps=st.integers(-1000, 1000),
    psi=st.sampled_from(SIGNED),
)
def test_divergence_is_zero_only_for_equal_points(w, ulps, psi):
    a = torch.tensor(w + ulps * math.ulp(w), dtype=torch.float64)
    b = torch.tensor(w, dtype=torch.float64)
    assert (psi.divergence(a, b) > 0) == (a != b)
    assert psi.divergence(b, b) == 0


@every_potential
def test_divergence_broadcasts_sums_over_dim_and_promotes(psi):
    a, b = torch.rand(4, 1, 3), torch.rand(2, 3, dtype=torch.float64)
    d = psi.divergence(a, b, dim=(-2, -1))
    assert d.shape == (4,)
    assert d.dtype == torch.float64
    one = [psi.divergence(a[i].double().expand(2, 3), b) for i in range(4)]
    torch.testing.assert_close(d, torch.stack(one))
    assert psi.divergence(a.half(), b.half()).dtype == torch.float16


# ---- derivatives --------------------------------------------------------------------------------


@every_potential
def test_autograd_of_value_is_mirror_at_every_magnitude(psi):
    w = inputs(psi, "value", torch.float64).requires_grad_()
    finite = psi.value(w[:, None], dim=-1).isfinite()
    (grad,) = torch.autograd.grad(psi.value(w[finite]), w)
    torch.testing.assert_close(grad[finite], psi.mirror(w.detach()[finite]), rtol=1e-14, atol=0)


@every_potential
def test_gradcheck(psi):
    a = (0.3 + torch.rand(3, dtype=torch.float64)).requires_grad_()
    far = (3 + torch.rand(3, dtype=torch.float64)).requires_grad_()
    near = (a.detach() * 1.1).requires_grad_()
    for f in (psi.value, psi.mirror, psi.inverse):
        assert torch.autograd.gradcheck(f, a)
        assert torch.autograd.gradgradcheck(psi.value, a)
    for b in (near, far):
        assert torch.autograd.gradcheck(lambda a, b: psi.divergence(a, b, dim=-1), (a, b))


@pytest.mark.parametrize("psi", SIGNED, ids=repr)
def test_gradcheck_of_value_at_zero(psi):
    w = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    eps = 1e-40 if isinstance(psi, LpPotential) else 1e-6  # |w|^1.05 has to be flat at eps
    assert torch.autograd.gradcheck(psi.value, w, eps=eps, atol=1e-2 if psi in LP else 1e-5)
    (grad,) = torch.autograd.grad(psi.value(w), w)
    assert grad.tolist() == [0, 0]


@every_potential
def test_no_gradient_is_nan_at_zero(psi):
    for f in (
        psi.value,
        lambda w: psi.mirror(w)[2].square(),  # no gradient reaches the zeros
        lambda w: psi.divergence(w, torch.ones(3, dtype=w.dtype)),
        lambda w: psi.divergence(torch.tensor([0.0, 0.0, 2.0], dtype=w.dtype), w),
    ):
        w = torch.tensor([0.0, -0.0, 1.0], dtype=torch.float64, requires_grad=True)
        (grad,) = torch.autograd.grad(f(w), w)
        assert not grad.isnan().any(), grad


@every_potential
def test_curvature_is_the_slope_of_mirror_and_never_negative(psi):
    """At -0.0 as well, where 1/w would be -inf."""
    w = inputs(psi, "value", torch.float64)
    assert (psi.curvature(torch.cat([w, -torch.zeros(1)])) >= 0).all()
    w = (0.1 + torch.rand(20, dtype=torch.float64)).requires_grad_()
    (slope,) = torch.autograd.grad(psi.mirror(w).sum(), w)
    torch.testing.assert_close(psi.curvature(w), slope)


@pytest.mark.parametrize("psi", SIGNED, ids=repr)  # entropy's domain check must see the numbers
def test_vmap_gives_the_loop(psi):
    w, b = torch.rand(4, 3, dtype=torch.float64), torch.rand(3, dtype=torch.float64)
    for f in (
        psi.mirror,
        psi.inverse,
        psi.value,
        torch.func.grad(psi.value),
        lambda w: psi.divergence(w, b),
        lambda w: psi.divergence(b, w),
        torch.func.grad(lambda w: psi.divergence(w, b)),
    ):
        expected = torch.stack([f(row) for row in w])
        torch.testing.assert_close(torch.func.vmap(f)(w), expected)
        torch.testing.assert_close(torch.func.vmap(f, in_dims=1)(w.mT), expected)


# ---- directional divergence ---------------------------------------------------------------------


@pytest.mark.parametrize("psi", [*LP, NegativeEntropy()], ids=repr)
@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e5, 1e200])
def test_directional_divergence_ignores_scale(psi, scale):
    a, b = torch.rand(2, 5, 4, 3, dtype=torch.float64)
    d = directional_divergence(a, b, psi)
    assert d.shape == (5,)
    assert (d > 0).all()
    torch.testing.assert_close(
        directional_divergence(scale * a, b / scale, psi), d, rtol=1e-10, atol=0
    )
    assert torch.allclose(
        directional_divergence(scale * a, a, psi), torch.zeros(()).to(a), atol=1e-28
    )


@pytest.mark.parametrize("p", PS)
def test_directional_divergence_is_the_formula_row_by_row(p):
    a, b = torch.randn(6, 3, dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    for row, d in zip(a, directional_divergence(a, b, p, dim=-1), strict=True):
        u, v = row / row.abs().pow(p).sum() ** (1 / p), b / b.abs().pow(p).sum() ** (1 / p)
        definition = (u.abs() ** p - v.abs() ** p).sum() / p - (v.sign() * v.abs() ** (p - 1)) @ (
            u - v
        )
        assert d.item() == pytest.approx(definition.item(), rel=1e-9)


def test_no_direction_no_divergence():
    """Zero has no direction: NaN says so, and only for the batch rows without one."""
    a = torch.tensor([[1.0, 2.0], [0.0, 0.0]])
    assert directional_divergence(a, a[0], 1.5, dim=-1).isnan().tolist() == [False, True]
    assert directional_divergence(a[0], a, 1.5, dim=-1).isnan().tolist() == [False, True]


# ---- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize("p", [1, 1.0, 0.5, 0, -2, math.inf, -math.inf, math.nan])
def test_p_out_of_range(p):
    with pytest.raises(ValueError, match=f"p must be .* above 1, got {float(p)}; p = 1.05"):
        LpPotential(p)


@pytest.mark.parametrize("beta", [0, -1.0, math.inf, math.nan])
def test_beta_out_of_range(beta):
    with pytest.raises(ValueError, match=f"beta must be a finite .* got {float(beta)}"):
        Hypentropy(beta)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (torch.arange(3), r"got torch\.int64; convert with \.double\(\)"),
        (torch.ones(3, dtype=torch.bool), r"got torch\.bool"),
        (torch.ones(3, dtype=torch.complex64), r"got torch\.complex64"),
        (np.ones(3), r"works on torch tensors, got ndarray; wrap it: torch\.as_tensor"),
        ([1.0, 2.0], "got list"),
        (1.0, "got float"),
    ],
)
@pytest.mark.parametrize("psi", [LpPotential(1.5), NegativeEntropy(), Hypentropy(0.5)], ids=repr)
def test_only_real_floating_tensors(psi, bad, message):
    good = torch.ones(3)
    calls = [psi.value, psi.mirror, psi.inverse]
    calls += [lambda x: psi.divergence(x, good), lambda x: psi.divergence(good, x)]
    calls += [] if isinstance(psi, Hypentropy) else [psi.norm, psi.dual_norm]
    for call in calls:
        with pytest.raises(TypeError, match=message) as error:
            call(bad)
        assert repr(psi) in str(error.value)


def test_entropy_refuses_negative_entries():
    psi, w = NegativeEntropy(), torch.tensor([1.0, -0.25, 3.0])
    good = torch.ones(3)
    for call in (
        psi.value,
        psi.mirror,
        lambda w: psi.divergence(w, good),
        lambda w: psi.divergence(good, w),
    ):
        with pytest.raises(ValueError, match=r"entry -0\.25; use Hypentropy\(beta\)"):
            call(w)
    psi.inverse(w)  # dual points have any sign


@pytest.mark.parametrize("psi", [*LP, *HYPENTROPY, NegativeEntropy()], ids=repr)
def test_second_derivatives_follow_the_formulas(psi):
    w = torch.tensor([0.6, 1.3], dtype=torch.float64, requires_grad=True)
    b = torch.tensor([0.9, 0.7], dtype=torch.float64, requires_grad=True)
    for f in (psi.value, psi.mirror, psi.inverse):
        assert torch.autograd.gradgradcheck(f, w)
    assert torch.autograd.gradgradcheck(psi.divergence, (w, b))


@pytest.mark.parametrize("beta", [1e-50, 1e50])
def test_a_beta_out_of_range_is_refused(beta):
    with pytest.raises(ValueError, match=r"out of the range of torch\.float32"):
        Hypentropy(beta).mirror(torch.tensor([0.0, 1.0]))

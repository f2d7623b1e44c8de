"""Norms of potentials: at any scale, over any axes, of any size."""

import math

import pytest
import torch
from mpmath import mp, mpf

from mdlib import LpPotential, NegativeEntropy
from mdlib.geometry.norms import lp_norm

LP = [LpPotential(p) for p in (1.05, 1.1, 1.5, 1.75, 2, 3, 10, 20)]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(60):
        yield


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("psi", [*LP, NegativeEntropy()], ids=repr)
def test_norms_neither_overflow_nor_underflow(psi, dtype):
    info = torch.finfo(dtype)
    exponents = {psi.norm: 1, psi.dual_norm: math.inf}
    if isinstance(psi, LpPotential):
        exponents = {psi.norm: mpf(str(psi.p)), psi.dual_norm: 1 + 1 / (mpf(str(psi.p)) - 1)}
    for scale in (info.max / 16, 1.0, info.smallest_normal / info.eps, info.smallest_normal):
        w = (torch.randn(8, dtype=torch.float64).clamp(-2, 2) * scale).to(dtype)
        for norm, p in exponents.items():
            entries = [abs(mpf(entry)) for entry in w.tolist()]
            true = max(entries) if p == math.inf else sum(x**p for x in entries) ** (1 / mpf(p))
            assert abs(norm(w).item() - true) <= 8 * info.eps * true
            assert norm(w).dtype == dtype


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (1e300, torch.float64),
        (1e-300, torch.float64),
        (1e37, torch.float32),
        (1e-37, torch.float32),
    ],
)
def test_norms_of_the_extreme_p(scale, dtype):
    """Without scaling, 1e300 ** 1.05 overflows, and so does 1e37 ** 21 in float32."""
    w = torch.full((3,), scale, dtype=dtype)
    for p in (1.05, 20):
        psi = LpPotential(p)
        for norm, exponent in ((psi.norm, psi.p), (psi.dual_norm, psi.q)):
            rtol = 8 * torch.finfo(dtype).eps
            assert norm(w).item() == pytest.approx(scale * 3 ** (1 / exponent), rel=rtol)


@pytest.mark.parametrize("psi", [*LP, NegativeEntropy()], ids=repr)
def test_norms_of_axes_zeros_and_empty(psi):
    w = torch.randn(2, 3, 4, dtype=torch.float64)
    w[0] = 0
    for norm in (psi.norm, psi.dual_norm):
        assert norm(w, dim=(-2, -1)).tolist() == [0, norm(w[1]).item()]
        assert norm(w, dim=(-2, -1), keepdim=True).shape == (2, 1, 1)
        assert norm(w, dim=1).shape == (2, 4)
        assert norm(w).item() == pytest.approx(norm(w[1]).item())
        assert norm(torch.tensor(-3.0)) == 3
    assert psi.norm(torch.empty(0)) == 0


@pytest.mark.parametrize("p", [1.1, 1.5, 3])
def test_a_large_array_has_the_norm_of_its_rows_norms(p):
    """It is summed in pieces, where no gradient is asked for; the rows are no multiple of them."""
    psi = LpPotential(p)
    w = torch.randn(3, 65_537, dtype=torch.float64)
    w[1] *= 1e200
    expected = psi.norm(psi.norm(w, dim=1))
    for array in (w, w.mT.contiguous().mT):
        with torch.no_grad():
            torch.testing.assert_close(psi.norm(array), expected, rtol=1e-13, atol=0)
            assert psi.norm(array, keepdim=True).shape == (1, 1)


@pytest.mark.parametrize("p", [1.0, 1.5, 2.0, 3.0, math.inf])
def test_the_gradient_of_a_norm_is_autograd_s_of_the_formula(p):
    w = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    formula = w.abs().amax(1) if p == math.inf else (w.abs() ** p).sum(1) ** (1 / p)
    expected, found = (
        torch.autograd.grad(norm.sum(), w)[0] for norm in (formula, lp_norm(w, p, 1, False))
    )
    torch.testing.assert_close(found, expected)

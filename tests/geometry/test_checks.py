"""The property grid: over every potential, p, dtype and shape, and over wrong ones."""

import pytest
import torch

from mdlib import Hypentropy, LpPotential, NegativeEntropy, Potential, check_potential

POTENTIALS = [
    *(LpPotential(p) for p in (1.05, 1.1, 1.5, 1.75, 2, 2.5, 3, 4, 10, 20)),
    NegativeEntropy(),
    *(Hypentropy(beta) for beta in (1e-3, 1.0, 1e3)),
]
DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("shape", [(1,), (5,), (3, 4), (2, 3, 2)], ids=str)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("potential", POTENTIALS, ids=repr)
def test_every_potential_has_every_property(potential, dtype, shape, seed):
    grid = check_potential(potential, dtype=dtype, shape=shape, seed=seed, verbose=False)
    assert [check for check in grid if not check.passed] == []


class PowerTooHigh(LpPotential):
    def _inverse(self, y):
        return torch.copysign(y.abs() ** (1 / self.p), y)


class SignLost(LpPotential):
    def _mirror(self, w):
        return w.abs() ** (self.p - 1)


class FactorLost(LpPotential):
    def value(self, w, dim=None):
        return super().value(w, dim) * self.p


class Swapped(LpPotential):
    def divergence(self, a, b, dim=None):
        return super().divergence(b, a, dim)


class WrongDual(LpPotential):
    def dual_norm(self, g, dim=None, keepdim=False):
        return self.norm(g, dim, keepdim) / 10


class SingleOnly(LpPotential):
    def inverse(self, y):
        return super().inverse(y.float())


class Overflowing(Hypentropy):
    def _phi(self, w):
        return w * self._mirror(w) - (w**2 + self.beta**2).sqrt()


class Negative(LpPotential):
    def divergence(self, a, b, dim=None):
        return -super().divergence(a, b, dim)


class Concave(LpPotential):
    def mirror(self, w):
        return -super().mirror(w)


@pytest.mark.parametrize(
    ("wrong", "caught"),
    [
        (PowerTooHigh(1.5), "inverse(mirror(w)) = w"),
        (SignLost(1.5), "mirror(inverse(y)) = y"),
        (FactorLost(1.5), "mirror is the gradient of value"),
        (Swapped(1.5), "D(a, b) = value(a) - value(b) - <mirror(b), a - b>"),
        (Swapped(3), "D(a, c) = D(a, b) + D(b, c) + <mirror(b) - mirror(c), a - b>"),
        (WrongDual(1.5), "|<w, g>| <= norm(w) dual_norm(g)"),
        (SingleOnly(1.5), "shape and dtype are kept"),
        (Overflowing(1.0), "finite input never gives NaN"),
        (Concave(1.5), "<mirror(a) - mirror(b), a - b> > 0"),
        (Negative(1.5), "D(a, b) > 0, and D(a, a) = 0"),
    ],
)
def test_a_broken_potential_is_caught(wrong, caught):
    failed = {check.name for check in check_potential(wrong, verbose=False) if not check.passed}
    assert caught in failed


def test_a_potential_that_raises_fails_with_its_message(capsys):
    class Broken(LpPotential):
        def value(self, w, dim=None):
            raise RuntimeError("no value today")

    check_potential(Broken(2))
    printed = capsys.readouterr().out
    assert "FAIL  mirror is the gradient of value  (RuntimeError: no value today)" in printed
    assert "ok    inverse(mirror(w)) = w" in printed


class SquaredNorm(Potential):
    """A potential that is not separable: half the squared l_1.5 norm, inverted by its dual."""

    lp = LpPotential(1.5)
    lq = LpPotential(3.0)

    def value(self, w, dim=None):
        return self.lp.norm(w, dim).square() / 2

    def mirror(self, w):
        return self._map(self.lp, w)

    def inverse(self, y):
        return self._map(self.lq, y)

    @staticmethod
    def _map(psi, x):
        norm = psi.norm(x, dim=-1, keepdim=True)
        return torch.where(norm > 0, psi.mirror(x / norm) * norm, 0.0)


def test_a_potential_that_is_not_separable_passes():
    grid = check_potential(SquaredNorm(), verbose=False)
    assert all(check.passed for check in grid), grid
    assert len(grid) == 9  # it has no norm of its own, so Hoelder is not asked

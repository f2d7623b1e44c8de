"""Potential: what a subclass has to bring, and what follows from it."""

import pytest
import torch

from mdlib import Hypentropy, Potential


class Cosh(Potential):
    """A potential with the three required methods alone."""

    def value(self, w, dim=None):
        return torch.cosh(w).sum(dim)

    def mirror(self, w):
        return torch.sinh(w)

    def inverse(self, y):
        return torch.asinh(y)


def test_a_potential_needs_three_methods_and_gets_a_divergence():
    a, b = torch.randn(2, 4, 3, dtype=torch.float64)
    expected = (a.cosh() - b.cosh() - b.sinh() * (a - b)).sum(-1)
    torch.testing.assert_close(Cosh().divergence(a, b, dim=-1), expected)
    assert not Cosh().separable


@pytest.mark.parametrize("psi", [Cosh(), Hypentropy(0.1)])
def test_a_missing_norm_names_the_remedy(psi):
    for norm in (psi.norm, psi.dual_norm):
        with pytest.raises(NotImplementedError, match="use normalize=False"):
            norm(torch.ones(3))


@pytest.mark.parametrize("missing", ["value", "mirror", "inverse"])
def test_each_of_the_three_is_asked_for(missing):
    partial = type("Partial", (Potential,), {k: v for k, v in vars(Cosh).items() if k != missing})
    with pytest.raises(TypeError, match=missing):
        partial()


def test_its_repr_tells_its_parameters():
    """An optimizer's saved state is checked against it."""
    assert repr(Cosh()) == "Cosh()"
    scaled = Cosh()
    scaled.scale = 2.0
    assert repr(scaled) == "Cosh(scale=2.0)"

"""Entrywise powers: those of the general pow, and zeros keep their sign."""

import pytest
import torch

from mdlib.geometry.entrywise import power_, signed_power

EXPONENTS = [0.05, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 12.5, 19.0, 32.0, 33.0, 40.5]


@pytest.mark.parametrize("e", EXPONENTS)
def test_a_power_is_that_of_the_general_pow(e):
    x = torch.rand(1000, dtype=torch.float64) * 4
    expected = x.pow(e)
    torch.testing.assert_close(power_(x.clone(), e), expected, rtol=1e-14, atol=0)
    signs = torch.randn(1000).sign().double()
    torch.testing.assert_close(signed_power(signs * x, e), signs * expected, rtol=1e-14, atol=0)


@pytest.mark.parametrize("e", EXPONENTS)
def test_a_power_of_zero_is_a_zero_of_the_same_sign(e):
    assert (1 / signed_power(torch.tensor([0.0, -0.0]), e)).tolist() == [torch.inf, -torch.inf]


def test_a_signed_power_leaves_its_argument_alone():
    for e in EXPONENTS:
        x = torch.tensor([-2.0, 3.0])
        signed_power(x, e)
        assert x.tolist() == [-2.0, 3.0]

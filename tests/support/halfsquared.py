"""A potential that is not separable."""

from mdlib import LpPotential, Potential


class HalfSquaredNorm(Potential):
    """Half the squared l_1.5 norm, inverted by its dual, half the squared l_3."""

    def value(self, w, dim=None):
        return LpPotential(1.5).norm(w, dim).square() / 2

    def mirror(self, w):
        return LpPotential(1.5).mirror(w) * LpPotential(1.5).norm(w) ** 0.5

    def inverse(self, y):
        return LpPotential(3).mirror(y) / LpPotential(3).norm(y)

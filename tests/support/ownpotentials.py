"""Potentials as readers write them: with a cache, a matrix, a function."""

from functools import cached_property

import torch

from mdlib import Potential


def cube(w):
    return w**3


class Scaled(Potential):
    """Half the squared norm times a factor, with something computed once."""

    separable = True

    def __init__(self, factor):
        self.factor = factor

    @cached_property
    def scale(self):
        return torch.as_tensor(float(self.factor))

    def value(self, w, dim=None):
        return self.scale / 2 * w.square().sum(dim)

    def mirror(self, w):
        return self.scale * w

    def inverse(self, y):
        return y / self.scale


class Weighted(Scaled):
    """Each entry with a weight of its own; the weights' sum is kept in passing."""

    separable = False

    def __init__(self, matrix):
        self.matrix = torch.as_tensor(matrix)

    @cached_property
    def scale(self):
        return self.matrix


class Bent(Scaled):
    """Built from a function, or from anything."""

    def __init__(self, f, factor=1.0):
        super().__init__(factor)
        self.f = f

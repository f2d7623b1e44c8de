"""Optimizers for any torch model: mirror descent and its penalised rival."""

from mdlib.optim.mirror_descent import MirrorDescent
from mdlib.optim.proximal import ProximalSGD

__all__ = [
    "MirrorDescent",
    "ProximalSGD",
]

"""Softmax attention on given data: the problem, its losses and its exact gradient."""

from mdlib.attention.gradient import RiskGradient
from mdlib.attention.losses import LOSSES, Loss, loss_named
from mdlib.attention.problem import AttentionProblem
from mdlib.attention.shapes import MATRIX, one_axis

__all__ = [
    "LOSSES",
    "MATRIX",
    "AttentionProblem",
    "Loss",
    "RiskGradient",
    "loss_named",
    "one_axis",
]

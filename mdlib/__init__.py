"""mdlib: mirror descent for softmax attention, the library behind *Attention in the Mirror*."""

from mdlib.attention import AttentionProblem
from mdlib.checks import check_potential
from mdlib.dynamics import Trajectory, attention_descent
from mdlib.optim import MirrorDescent
from mdlib.potentials import (
    Hypentropy,
    LpPotential,
    NegativeEntropy,
    Potential,
    directional_divergence,
)

__version__ = "0.1.0"

__all__ = [
    "AttentionProblem",
    "Hypentropy",
    "LpPotential",
    "MirrorDescent",
    "NegativeEntropy",
    "Potential",
    "Trajectory",
    "attention_descent",
    "check_potential",
    "directional_divergence",
]

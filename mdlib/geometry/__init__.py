"""Geometry: potentials, the mirror maps and divergences they bring, and the check of a new one."""

from mdlib.geometry.checks import check_potential
from mdlib.geometry.potential import Potential, SeparablePotential
from mdlib.geometry.potentials import (
    Hypentropy,
    LpPotential,
    NegativeEntropy,
    directional_divergence,
)

__all__ = [
    "Hypentropy",
    "LpPotential",
    "NegativeEntropy",
    "Potential",
    "SeparablePotential",
    "check_potential",
    "directional_divergence",
]

"""mdlib: mirror descent for softmax attention, the library behind *Attention in the Mirror*."""

from mdlib.attention import AttentionProblem
from mdlib.checks import check_potential
from mdlib.dynamics import attention_descent, joint_descent
from mdlib.joint import JointPath, joint_path
from mdlib.optim import MirrorDescent
from mdlib.path import Path, attention_path
from mdlib.potentials import (
    Hypentropy,
    LpPotential,
    NegativeEntropy,
    Potential,
    directional_divergence,
)
from mdlib.shrinkage import Shrinkage, margin_shrinkage
from mdlib.svm import InfeasibleError, NotSolvedError, Solution, attention_svm, classifier_svm
from mdlib.trajectory import JointTrajectory, Trajectory

__version__ = "0.1.0"

__all__ = [
    "AttentionProblem",
    "Hypentropy",
    "InfeasibleError",
    "JointPath",
    "JointTrajectory",
    "LpPotential",
    "MirrorDescent",
    "NegativeEntropy",
    "NotSolvedError",
    "Path",
    "Potential",
    "Shrinkage",
    "Solution",
    "Trajectory",
    "attention_descent",
    "attention_path",
    "attention_svm",
    "check_potential",
    "classifier_svm",
    "directional_divergence",
    "joint_descent",
    "joint_path",
    "margin_shrinkage",
]

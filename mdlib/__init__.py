"""mdlib: mirror descent for softmax attention, the library behind *Attention in the Mirror*."""

from mdlib.attention import AttentionProblem
from mdlib.descent import JointTrajectory, Trajectory, attention_descent, joint_descent
from mdlib.geometry import (
    Hypentropy,
    LpPotential,
    NegativeEntropy,
    Potential,
    check_potential,
    directional_divergence,
)
from mdlib.optim import MirrorDescent, ProximalSGD
from mdlib.path import AttentionPath, JointPath, attention_path, joint_path, log_excess_risk
from mdlib.svm import (
    InfeasibleError,
    NotSolvedError,
    Shrinkage,
    Solution,
    attention_svm,
    classifier_svm,
    is_locally_optimal,
    label_margin,
    margin_shrinkage,
    race_svm,
)

__version__ = "0.1.0"

__all__ = [
    "AttentionPath",
    "AttentionProblem",
    "Hypentropy",
    "InfeasibleError",
    "JointPath",
    "JointTrajectory",
    "LpPotential",
    "MirrorDescent",
    "NegativeEntropy",
    "NotSolvedError",
    "Potential",
    "ProximalSGD",
    "Shrinkage",
    "Solution",
    "Trajectory",
    "attention_descent",
    "attention_path",
    "attention_svm",
    "check_potential",
    "classifier_svm",
    "directional_divergence",
    "is_locally_optimal",
    "joint_descent",
    "joint_path",
    "label_margin",
    "log_excess_risk",
    "margin_shrinkage",
    "race_svm",
]

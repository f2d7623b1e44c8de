"""Regularization paths: the least risk in a ball, for every radius, of W and of W and v."""

from mdlib.path.attention import AttentionPath, attention_path
from mdlib.path.ball import log_excess_risk
from mdlib.path.joint import JointPath, joint_path

__all__ = [
    "AttentionPath",
    "JointPath",
    "attention_path",
    "joint_path",
    "log_excess_risk",
]

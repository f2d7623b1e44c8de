"""Mirror descent on an attention problem, all seeds at once, exact where softmax saturates."""

from mdlib.descent.attention import attention_descent
from mdlib.descent.joint import joint_descent
from mdlib.descent.trajectory import JointTrajectory, Trajectory

__all__ = [
    "JointTrajectory",
    "Trajectory",
    "attention_descent",
    "joint_descent",
]

"""The vision experiment: its runs, what trains them, and what they are like inside."""

from mdlib.experiments.training import prepare, score_on_test, train
from mdlib.vision.inspection import inspect
from mdlib.vision.run import LEARNING_RATES, PRESETS, REPEATS, VisionRun, build_model
from mdlib.vision.training import load_model

__all__ = [
    "LEARNING_RATES",
    "PRESETS",
    "REPEATS",
    "VisionRun",
    "build_model",
    "inspect",
    "load_model",
    "prepare",
    "score_on_test",
    "train",
]

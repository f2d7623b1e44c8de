"""The vision experiment: its runs, what trains them, and what they are like inside."""

from mdlib.runs.training import prepare, score_on_test, train
from mdlib.studies.images.inspection import inspect
from mdlib.studies.images.pictures import Pictures
from mdlib.studies.images.run import LEARNING_RATES, PRESETS, REPEATS, VisionRun, build_model
from mdlib.studies.images.studies import STUDIES
from mdlib.studies.images.training import load_model

__all__ = [
    "LEARNING_RATES",
    "PRESETS",
    "REPEATS",
    "STUDIES",
    "Pictures",
    "VisionRun",
    "build_model",
    "inspect",
    "load_model",
    "prepare",
    "score_on_test",
    "train",
]

"""The vision experiment: its runs, what they are like inside, and its studies."""

from mdlib.runs.training import prepare, score_on_test, train
from mdlib.studies.images.inspection import ImageRun, look_inside, recorded
from mdlib.studies.images.pictures import Pictures
from mdlib.studies.images.run import LEARNING_RATES, PRESETS, REPEATS, VisionRun, build_model
from mdlib.studies.images.studies import STUDIES
from mdlib.studies.images.training import load_model

__all__ = [
    "LEARNING_RATES",
    "PRESETS",
    "REPEATS",
    "STUDIES",
    "ImageRun",
    "Pictures",
    "VisionRun",
    "build_model",
    "load_model",
    "look_inside",
    "prepare",
    "recorded",
    "score_on_test",
    "train",
]

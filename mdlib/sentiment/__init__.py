"""The sentiment experiment: its runs, what trains them, and sweeps over them."""

from mdlib.sentiment.run import (
    LEARNING_RATES,
    OPTIMIZERS,
    PRESETS,
    REPEATS,
    SentimentRun,
    build_model,
    build_optimizer,
)
from mdlib.sentiment.training import load_model, prepare, score_on_test, train

__all__ = [
    "LEARNING_RATES",
    "OPTIMIZERS",
    "PRESETS",
    "REPEATS",
    "SentimentRun",
    "build_model",
    "build_optimizer",
    "load_model",
    "prepare",
    "score_on_test",
    "train",
]

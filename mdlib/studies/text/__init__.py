"""The sentiment experiment: its runs, what they are like inside, and its studies."""

from mdlib.studies.text.attended import attend, encode, number_words, read
from mdlib.studies.text.favorites import equal_shares
from mdlib.studies.text.inspection import TextRun, recorded
from mdlib.studies.text.pivots import look_at_pivots
from mdlib.studies.text.published import PIVOT_SCORE, TEST_ACCURACY
from mdlib.studies.text.run import (
    LEARNING_RATES,
    OPTIMIZERS,
    PRESETS,
    REPEATS,
    SentimentRun,
    build_model,
    build_optimizer,
)
from mdlib.studies.text.studies import STUDIES
from mdlib.studies.text.training import load_model, prepare, score_on_test, train

__all__ = [
    "LEARNING_RATES",
    "OPTIMIZERS",
    "PIVOT_SCORE",
    "PRESETS",
    "REPEATS",
    "STUDIES",
    "TEST_ACCURACY",
    "SentimentRun",
    "TextRun",
    "attend",
    "build_model",
    "build_optimizer",
    "encode",
    "equal_shares",
    "load_model",
    "look_at_pivots",
    "number_words",
    "prepare",
    "read",
    "recorded",
    "score_on_test",
    "train",
]

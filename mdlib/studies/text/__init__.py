"""The paper's experiments on text: the runs, the studies, what is measured on a trained network."""

from mdlib.studies.text.attended import attend, encode, number_words, read
from mdlib.studies.text.favorites import equal_shares
from mdlib.studies.text.inspection import TextRun, recorded
from mdlib.studies.text.pivots import look_at_pivots
from mdlib.studies.text.published import PIVOT_SCORE, TEST_ACCURACY
from mdlib.studies.text.run import SentimentRun, build_model
from mdlib.studies.text.studies import STUDIES

__all__ = [
    "PIVOT_SCORE",
    "STUDIES",
    "TEST_ACCURACY",
    "SentimentRun",
    "TextRun",
    "attend",
    "build_model",
    "encode",
    "equal_shares",
    "look_at_pivots",
    "number_words",
    "read",
    "recorded",
]

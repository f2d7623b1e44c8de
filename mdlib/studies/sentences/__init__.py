"""The paper's one-layer model on real sentences: its runs, what they are like inside, the study."""

from mdlib.studies.sentences.run import correct, mean_word, train
from mdlib.studies.sentences.studies import QUICK, Findings, Plan, measure, recorded

__all__ = ["QUICK", "Findings", "Plan", "correct", "mean_word", "measure", "recorded", "train"]

"""Runs of training: one, many, studies of them, and the records of what was found."""

from mdlib.runs.cost import operations
from mdlib.runs.optimizers import OPTIMIZERS, build_optimizer
from mdlib.runs.record import Provenance, Record
from mdlib.runs.results import Epoch, FinalScores, Scores, TrainedRun, learning_curve
from mdlib.runs.run import TrainingRun
from mdlib.runs.tables import accuracy_table, percent, sparsity_table
from mdlib.runs.training import prepare, score_on_test, train

__all__ = [
    "OPTIMIZERS",
    "Epoch",
    "FinalScores",
    "Provenance",
    "Record",
    "Scores",
    "TrainedRun",
    "TrainingRun",
    "accuracy_table",
    "build_optimizer",
    "learning_curve",
    "operations",
    "percent",
    "prepare",
    "score_on_test",
    "sparsity_table",
    "train",
]

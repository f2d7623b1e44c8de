"""Runs: any run, many of them, what they cost, studies that tune all contenders alike, records."""

from mdlib.runs.conducting import conduct
from mdlib.runs.cost import operations
from mdlib.runs.grid import choose_rates, grid, table
from mdlib.runs.record import Provenance, Record
from mdlib.runs.results import Epoch, FinalScores, Scores, TrainedRun, learning_curve
from mdlib.runs.run import TrainingRun, run_directory
from mdlib.runs.study import Contender, Study, rates
from mdlib.runs.sweep import Outcome, sweep
from mdlib.runs.tables import accuracy_table, percent, sparsity_table
from mdlib.runs.training import prepare, score_on_test, train

__all__ = [
    "Contender",
    "Epoch",
    "FinalScores",
    "Outcome",
    "Provenance",
    "Record",
    "Scores",
    "Study",
    "TrainedRun",
    "TrainingRun",
    "accuracy_table",
    "choose_rates",
    "conduct",
    "grid",
    "learning_curve",
    "operations",
    "percent",
    "prepare",
    "rates",
    "run_directory",
    "score_on_test",
    "sparsity_table",
    "sweep",
    "table",
    "train",
]

"""Runs: any run, many of them, what they cost, and studies that tune all contenders alike."""

from mdlib.runs.cost import operations
from mdlib.runs.grid import choose_rates, grid, table
from mdlib.runs.record import Record, percent, recorded, spread
from mdlib.runs.run import TrainingRun, run_directory
from mdlib.runs.study import Contender, Study, conduct, rates
from mdlib.runs.sweep import Outcome, sweep
from mdlib.runs.training import prepare, score_on_test, train

__all__ = [
    "Contender",
    "Outcome",
    "Record",
    "Study",
    "TrainingRun",
    "choose_rates",
    "conduct",
    "grid",
    "operations",
    "percent",
    "prepare",
    "rates",
    "recorded",
    "run_directory",
    "score_on_test",
    "spread",
    "sweep",
    "table",
    "train",
]

"""What the experiments on text and on images share: runs, training them, sweeps over them."""

from mdlib.runs.optimizers import OPTIMIZERS, build_optimizer
from mdlib.runs.run import TrainingRun
from mdlib.runs.training import prepare, score_on_test, train
from mdlib.runs.record import Record, percent, recorded
from mdlib.runs.cost import operations

__all__ = ["OPTIMIZERS", "Record", "TrainingRun", "build_optimizer", "operations", "percent", "prepare", "recorded", "score_on_test", "train",]


"""What the experiments on text and on images share: runs, training them, sweeps over them."""

from mdlib.experiments.optimizers import OPTIMIZERS, build_optimizer
from mdlib.experiments.run import TrainingRun
from mdlib.experiments.training import prepare, score_on_test, train

__all__ = ["OPTIMIZERS", "TrainingRun", "build_optimizer", "prepare", "score_on_test", "train"]

"""Training: one loop for texts and images that stops and goes on exactly where it was."""

from mdlib.train.directory import load_weights
from mdlib.train.evaluation import evaluate
from mdlib.train.examples import Arrays, Examples, Sequences
from mdlib.train.loop import fit
from mdlib.train.result import Run

__all__ = ["Arrays", "Examples", "Run", "Sequences", "evaluate", "fit", "load_weights"]

"""Training: one loop for texts and images that stops and goes on exactly where it was."""

from mdlib.train.directory import RunDirectory, load_weights
from mdlib.train.evaluation import evaluate
from mdlib.train.examples import Arrays, Examples, Sequences
from mdlib.train.fitting import fit
from mdlib.train.options import Options
from mdlib.train.result import Fitted

__all__ = [
    "Arrays",
    "Examples",
    "Fitted",
    "Options",
    "RunDirectory",
    "Sequences",
    "evaluate",
    "fit",
    "load_weights",
]

"""Measures of trained things: how sparse, how prunable, and how sure a difference is."""

from mdlib.measure.paired import Difference, paired_difference
from mdlib.measure.pruning import is_matrix, prunable, prune, pruning_curve, stored_size
from mdlib.measure.weights import EDGES, attention_weights, describe_weights

__all__ = [
    "EDGES",
    "Difference",
    "attention_weights",
    "describe_weights",
    "is_matrix",
    "paired_difference",
    "prunable",
    "prune",
    "pruning_curve",
    "stored_size",
]

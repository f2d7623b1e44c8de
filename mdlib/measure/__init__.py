"""Measures of trained things: how sparse, how prunable, and how sure a difference is."""

from mdlib.measure.paired import Difference, crossed_difference, paired_difference
from mdlib.measure.pruning import Pruned, is_matrix, prunable, prune, pruning_curve, stored_size
from mdlib.measure.weights import (
    ATTENTION_WEIGHTS,
    EDGES,
    Magnitudes,
    attention_weights,
    describe_weights,
)

__all__ = [
    "ATTENTION_WEIGHTS",
    "EDGES",
    "Difference",
    "Magnitudes",
    "Pruned",
    "attention_weights",
    "crossed_difference",
    "describe_weights",
    "is_matrix",
    "paired_difference",
    "prunable",
    "prune",
    "pruning_curve",
    "stored_size",
]

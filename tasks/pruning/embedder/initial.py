"""Scores the weights of an embedding model: the lowest are pruned."""

# EVOLVE-BLOCK-START
import numpy as np


def score(weight, stats):
    """Return how important each entry of a matrix is: here, its magnitude."""
    return np.abs(weight)


def scope():
    """Return where entries compete: "row", "layer" or "global"."""
    return "layer"


# EVOLVE-BLOCK-END

"""Which weights of a language model can go."""

import numpy as np


def score(weight, stats):
    """Return the importance of each weight: what is small goes (magnitude pruning)."""
    return np.abs(weight)


def allocate(influence, sparsity):
    """Return the share of each row that goes, block by block: the same everywhere."""
    return [sparsity] * len(influence)

"""Wanda for neurons: Σ_i |W_ij| · ||X_j||₂ over a column of the down projection (arXiv 2312.11983).

The baseline "Wanda-sp" of FLAP, An et al.; from memory.
"""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return np.abs(down).sum(0) * stats["norm"]


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> list[float]:
    """Return how many neurons each block loses: the same everywhere."""
    return [budget / len(influence)] * len(influence)

"""Fisher information of the neurons' masks, compared across all blocks (Kwon et al., arXiv 2204.09656)."""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return stats["fisher"]


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return how many neurons each block loses: as many as it has among the lowest of all."""
    lowest = np.argsort(scores, axis=None, kind="stable")[:budget]
    return np.bincount(lowest // scores.shape[1], minlength=len(scores))

"""CFSP: activation times the norm of the column; blocks that change more lose less (arXiv 2409.13199).

Wang et al.; from the abstract: coarse across blocks, fine within. Both formulas are our reading of it.
"""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return stats["norm"] * np.linalg.norm(down, axis=0)


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return how many neurons each block loses: linear in its influence, at most 15 points away from the mean."""
    away = influence - influence.mean()
    return budget / len(influence) - 0.15 * scores.shape[1] * away / np.abs(away).max()

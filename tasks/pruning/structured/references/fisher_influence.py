"""Fisher information of the neurons' masks, and less taken from blocks that change more of what passes.

Kwon et al., arXiv 2204.09656; block influence: Men et al., ShortGPT, arXiv 2403.03853.
"""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return stats["fisher"]


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return how many neurons each block loses: linear in its influence, at most 15 points away from the mean."""
    away = influence - influence.mean()
    return budget / len(influence) - 0.15 * scores.shape[1] * away / np.abs(away).max()

"""Fisher information of the neurons' masks, its diagonal (Kwon et al., arXiv 2204.09656, section 3).

The mean square over texts of the loss's derivative by a factor at the neuron.
"""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return stats["fisher"]


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> list[float]:
    """Return how many neurons each block loses: the same everywhere."""
    return [budget / len(influence)] * len(influence)

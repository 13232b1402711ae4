"""First-order Taylor: |mean derivative of the loss by a factor at the neuron| (arXiv 1906.10771).

Molchanov et al., "Importance Estimation for Neural Network Pruning", with the mean over texts taken inside; from memory.
"""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return np.abs(stats["slope"])


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> list[float]:
    """Return how many neurons each block loses: the same everywhere."""
    return [budget / len(influence)] * len(influence)

"""Activation: root mean square of the neuron's output, no weights."""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return stats["norm"]


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> list[float]:
    """Return how many neurons each block loses: the same everywhere."""
    return [budget / len(influence)] * len(influence)

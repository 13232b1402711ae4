"""FLAP: the variance of the neuron's output times the squared norm of its column (arXiv 2312.11983).

An et al.; from memory, without its compensation by biases and its standardisation across layers.
"""

import numpy as np


def neuron_score(gate: np.ndarray, up: np.ndarray, down: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each neuron."""
    return (np.square(stats["norm"]) - np.square(stats["mean"])) * np.square(down).sum(0)


def allocate(budget: int, influence: np.ndarray, scores: np.ndarray) -> list[float]:
    """Return how many neurons each block loses: the same everywhere."""
    return [budget / len(influence)] * len(influence)

"""Random scores: what pruning costs where nothing is known."""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return noise, always the same."""
    return np.random.default_rng(stats["block"]).random(weight.shape)


def allocate(influence: np.ndarray, sparsity: float) -> list[float]:
    """Return the share of each row that goes, block by block."""
    return [sparsity] * len(influence)

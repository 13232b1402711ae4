"""Diagonal Fisher information: W_ij² · E[G_ij²], the loss's second-order change (Theis et al., arXiv 1801.05787)."""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each weight."""
    return np.square(weight * stats["gradient"].astype(np.float32))


def allocate(influence: np.ndarray, sparsity: float) -> list[float]:
    """Return the share of each row that goes, block by block."""
    return [sparsity] * len(influence)

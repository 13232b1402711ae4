"""Wanda: |W_ij| · ||X_j||₂, row by row (Sun et al., arXiv 2306.11695, equation 1); every block loses as much."""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each weight."""
    return np.abs(weight) * stats["norm"]


def allocate(influence: np.ndarray, sparsity: float) -> list[float]:
    """Return the share of each row that goes, block by block."""
    return [sparsity] * len(influence)

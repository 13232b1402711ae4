"""Wanda (arXiv 2306.11695, equation 1), with less taken from blocks that change more of what passes them.

Block influence is that of ShortGPT (Men et al., arXiv 2403.03853), which drops whole blocks by it; as an allocation it is our
reading of CFSP's coarse criterion (arXiv 2409.13199): linear, at most 0.08 away from the mean.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each weight."""
    return np.abs(weight) * stats["norm"]


def allocate(influence: np.ndarray, sparsity: float) -> list[float]:
    """Return the share of each row that goes, block by block."""
    away = influence - influence.mean()
    return (sparsity - 0.08 * away / np.abs(away).max()).tolist()

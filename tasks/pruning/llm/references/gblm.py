"""GBLM-Pruner: |W_ij| · (α · ||G_ij||₂ + ||X_j||₂), G the gradients over calibration texts (arXiv 2311.04902).

Das et al.; from memory. Its α = 100 is for its own units; here both parts have the mean 1 over a matrix and count alike.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each weight."""
    return np.abs(weight) * (stats["gradient"].astype(np.float32) + stats["norm"] / stats["norm"].mean())


def allocate(influence: np.ndarray, sparsity: float) -> list[float]:
    """Return the share of each row that goes, block by block."""
    return [sparsity] * len(influence)

"""RIA, relative importance and activations: (|W_ij| / Σ_j |W_ij| + |W_ij| / Σ_i |W_ij|) · ||X_j||₂^a with a = 1/2.

Zhang et al., "Plug-and-Play: An Efficient Post-training Pruning Method for Large Language Models", ICLR 2024; from memory.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each weight."""
    size = np.abs(weight)
    relative = size / size.sum(1, keepdims=True) + size / size.sum(0, keepdims=True)
    return relative * np.sqrt(stats["norm"])


def allocate(influence: np.ndarray, sparsity: float) -> list[float]:
    """Return the share of each row that goes, block by block."""
    return [sparsity] * len(influence)

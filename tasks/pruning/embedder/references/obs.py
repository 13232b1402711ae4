"""Optimal brain surgeon's saliency, W² / [H⁻¹]_jj, without its update of what is left (Hassibi and Stork, 1993).

H is the mean of x xᵀ as in SparseGPT (arXiv 2301.00774, from memory); the two domains' inverses are added.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    return np.square(weight) / (stats["general"]["inverse"] + stats["domain"]["inverse"])


def scope() -> str:
    """Return where entries compete."""
    return "row"

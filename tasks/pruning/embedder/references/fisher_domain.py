"""Diagonal Fisher information of one domain alone, matrix by matrix.

It collapses, as GAPrune (arXiv 2509.10844) says of one-sided criteria.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    return np.square(weight) * stats["domain"]["fisher"]


def scope() -> str:
    """Return where entries compete."""
    return "layer"

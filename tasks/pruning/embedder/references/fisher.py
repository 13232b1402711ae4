"""Diagonal Fisher information: W² · E[g²] (Theis et al., arXiv 1801.05787, from memory).

It is optimal brain damage (LeCun et al., 1990) with the empirical Fisher information in the Hessian's place.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    return np.square(weight) * (stats["general"]["fisher"] + stats["domain"]["fisher"])


def scope() -> str:
    """Return where entries compete."""
    return "row"

"""Magnitude, row by row: |W| (Han et al., arXiv 1506.02626, from memory).

The seed lets whole matrices compete instead.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    return np.abs(weight)


def scope() -> str:
    """Return where entries compete."""
    return "row"

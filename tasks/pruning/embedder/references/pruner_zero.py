"""Pruner-Zero's symbolic metric: |W · W| · mms(|G|), where mms scales to [0, 1] over the matrix (Dong et al., arXiv 2406.02924).

The tree is that in its authors' code (data/best_tree.json); gradients of both domains are added in magnitude.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    size = np.abs(stats["general"]["gradient"]) + np.abs(stats["domain"]["gradient"])
    return np.square(weight) * (size - size.min()) / (size.max() - size.min())


def scope() -> str:
    """Return where entries compete."""
    return "row"

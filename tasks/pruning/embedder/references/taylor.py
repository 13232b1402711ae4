"""First-order Taylor expansion: |W · dL/dW| (Molchanov et al., arXiv 1906.10771, from memory).

Gradients of both domains are added.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    return np.abs(weight * (stats["general"]["gradient"] + stats["domain"]["gradient"]))


def scope() -> str:
    """Return where entries compete."""
    return "row"

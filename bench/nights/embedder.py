"""RIA: (|W_ij| / Σ_i |W_ij| + |W_ij| / Σ_j |W_ij|) · ||X_j||₂^a with a = 1/2 (Zhang et al., "Plug-and-play", ICLR 2024).

The formula is that of its authors' code. Rows compete as in Wanda; they let whole matrices compete.
"""

import numpy as np


def score(weight: np.ndarray, stats: dict) -> np.ndarray:
    """Return the importance of each entry."""
    size = np.abs(weight)
    relative = size / size.sum(axis=0, keepdims=True) + size / size.sum(axis=1, keepdims=True)
    return relative * (stats["general"]["inputs"] + stats["domain"]["inputs"]) ** 0.3502236


def scope() -> str:
    """Return where entries compete."""
    return "row"

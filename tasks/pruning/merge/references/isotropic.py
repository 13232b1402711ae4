"""Isotropic merging: the sum of the deltas, with all singular values of each matrix made equal.

Marczak, Magistri, Cygert, Twardowski, Bagdanov and van de Weijer, "No Task Left Behind: Isotropic Model Merging with Common and
Task-Specific Subspaces" (arXiv 2502.04959), Iso-C. From memory.
"""

import numpy as np

Weights = dict[str, np.ndarray]


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    merged = {}
    for name in base:
        merged[name] = sum(delta[name] for delta in deltas) / len(deltas)
        if merged[name].ndim == 2:
            left, values, right = np.linalg.svd(merged[name], full_matrices=False)
            merged[name] = values.mean() * left @ right
    return merged

"""Model Breadcrumbs: of each layer of each delta, leave out the largest entries (outliers) and the smallest (noise), and add up
the rest.

Davari and Belilovsky, "Model Breadcrumbs: Scaling Multi-Task Model Merging with Sparse Masks" (arXiv 2312.06795), equations 1
and 2: layer-wise masks between two quantiles of the absolute value. From memory; beta = 0.85 and gamma = 0.993 are what they
use for vision.
"""

import numpy as np

Weights = dict[str, np.ndarray]

LOW = 0.85
HIGH = 0.993


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    merged = {}
    for name in base:
        merged[name] = np.zeros_like(base[name])
        for delta in deltas:
            size = abs(delta[name])
            low, high = np.quantile(size, (LOW, HIGH))
            merged[name] += delta[name] * ((size >= low) & (size <= high))
    return merged

"""MagMax: of each entry, take the delta with the largest absolute value.

Marczak, Twardowski, Trzcinski and Cygert, "MagMax: Leveraging Model Merging for Seamless Continual Learning" (arXiv
2407.06322). From memory.
"""

import numpy as np

Weights = dict[str, np.ndarray]


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    merged = {}
    for name in base:
        every = np.stack([delta[name] for delta in deltas])
        merged[name] = np.take_along_axis(every, abs(every).argmax(0)[None], 0)[0]
    return merged

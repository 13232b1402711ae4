"""LiNeS: the average, with later layers scaled up linearly, because early ones hold what all tasks share.

Wang, Dimitriadis, Favero, Ortiz-Jimenez, Fleuret and Frossard, "LiNeS: Post-training Layer Scaling Prevents Forgetting and
Enhances Model Merging" (arXiv 2410.17146). From memory; from 1 at the first layer to 2 at the last.
"""

import re

import numpy as np

Weights = dict[str, np.ndarray]

FIRST = 1.0
LAST = 2.0


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    depth = {name: int(re.search(r"\d+", name)[0]) for name in base}
    deepest = max(depth.values())
    merged = {}
    for name in base:
        scale = FIRST + (LAST - FIRST) * (depth[name] - 1) / max(deepest - 1, 1)
        merged[name] = scale * sum(delta[name] for delta in deltas) / len(deltas)
    return merged

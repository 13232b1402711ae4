"""TIES: trim each delta to its largest entries, elect a sign per entry, and average those that agree with it.

Yadav, Tam, Choshen, Raffel and Bansal, "TIES-Merging: Resolving Interference When Merging Models" (arXiv 2306.01708), section
3, algorithm 1. From memory. Trimmed over all of a delta, as there; kept are 20 %.
"""

import numpy as np

Weights = dict[str, np.ndarray]

KEEP = 0.2


def merge(base: Weights, deltas: list[Weights]) -> Weights:
    """Return the merged delta."""
    bounds = [np.quantile(np.concatenate([abs(part).ravel() for part in delta.values()]), 1 - KEEP) for delta in deltas]
    merged = {}
    for name in base:
        trimmed = np.stack(
            [np.where(abs(delta[name]) >= bound, delta[name], 0) for delta, bound in zip(deltas, bounds, strict=True)]
        )
        agree = trimmed * np.sign(trimmed.sum(0)) > 0
        merged[name] = (trimmed * agree).sum(0) / np.maximum(agree.sum(0), 1)
    return merged

"""Random Search: fresh masks at random, the best of which is kept row by row.

After Farahani, arXiv 2403.08265, who draws the nodes of a network; here entries are drawn, for a given error.
"""

import time

import numpy as np


def improve_mask(weight: np.ndarray, gram: np.ndarray, mask: np.ndarray, deadline: float) -> np.ndarray:
    """Return the best mask met for each row, the given one included."""
    start = time.process_time()
    rng = np.random.default_rng(0)
    best, error = mask.copy(), loss(weight, gram, mask)
    kept = int(mask[0].sum())
    while time.process_time() - start < 0.7 * deadline:
        order = np.argpartition(rng.random(mask.shape), kept, axis=1)
        tried = np.zeros_like(mask)
        np.put_along_axis(tried, order[:, :kept], True, axis=1)
        now = loss(weight, gram, tried)
        best[now < error] = tried[now < error]
        error = np.minimum(error, now)
    return best


def loss(weight: np.ndarray, gram: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return what each row loses."""
    gone = weight * ~mask
    return ((gone @ gram) * gone).sum(axis=1)

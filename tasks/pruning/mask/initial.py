"""Improves a pruning mask."""

# EVOLVE-BLOCK-START
import time

import numpy as np


def improve_mask(weight, gram, mask, deadline):
    """Swap one kept and one pruned entry of each row at random, and take back what did not help."""
    start = time.process_time()
    rng = np.random.default_rng(0)
    rows = np.arange(len(weight))
    mask = mask.copy()
    error = loss(weight, gram, mask)
    while time.process_time() - start < 0.8 * deadline:
        tried = mask.copy()
        kept = np.argmax(rng.random(mask.shape) * mask, axis=1)
        pruned = np.argmax(rng.random(mask.shape) * ~mask, axis=1)
        tried[rows, kept] = False
        tried[rows, pruned] = True
        now = loss(weight, gram, tried)
        better = now < error
        mask[better] = tried[better]
        error = np.minimum(error, now)
    return mask


def loss(weight, gram, mask):
    """Return what each row loses."""
    gone = weight * ~mask
    return ((gone @ gram) * gone).sum(axis=1)


# EVOLVE-BLOCK-END

"""A step function on [-1/4, 1/4] whose autoconvolution has a low peak for its integral."""

# EVOLVE-BLOCK-START
import numpy as np


def heights():
    """Return the heights of the steps: a constant, changed at random wherever that helps."""
    rng = np.random.default_rng(0)
    best = np.ones(40)
    for _ in range(1000):
        trial = np.maximum(best + 0.1 * rng.normal(size=best.size) * (rng.random(best.size) < 0.1), 0)
        if ratio(trial) < ratio(best):
            best = trial
    return best


def ratio(h):
    """Return what is to be small: the peak of the autoconvolution over the squared integral."""
    return 2 * len(h) * np.convolve(h, h).max() / h.sum() ** 2


# EVOLVE-BLOCK-END

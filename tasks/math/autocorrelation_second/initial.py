"""A step function whose autoconvolution is flat."""

# EVOLVE-BLOCK-START
import numpy as np


def heights():
    """Return the heights of the steps: a constant, changed at random wherever that helps."""
    rng = np.random.default_rng(0)
    best = np.ones(30)
    for _ in range(600):
        trial = np.maximum(best + 0.1 * rng.normal(size=best.size) * (rng.random(best.size) < 0.1), 0)
        if flatness(trial) > flatness(best):
            best = trial
    return best


def flatness(h):
    """Return what is to be large: the integral of g squared over that of g and the peak of g = h * h."""
    g = np.concatenate([[0.0], np.convolve(h, h), [0.0]])
    a, b = g[:-1], g[1:]
    return np.sum(a * a + a * b + b * b) / 3 / (g.sum() * g.max())


# EVOLVE-BLOCK-END

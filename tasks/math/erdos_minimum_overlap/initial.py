"""A function on [-1, 1] from 0 to 1, with the integral 1, that overlaps little with its shifted complement."""

# EVOLVE-BLOCK-START
import numpy as np


def values():
    """Return the values of the steps: a squared cosine, some of it moved about wherever that helps."""
    rng = np.random.default_rng(0)
    best = np.cos(np.pi / 2 * (np.arange(40) + 0.5 - 20) / 20) ** 2
    for _ in range(1000):
        trial = best.copy()
        i, j = rng.integers(best.size, size=2)
        moved = min(0.1 * rng.random(), trial[i], 1 - trial[j])
        trial[i] -= moved
        trial[j] += moved
        if i != j and overlap(trial) < overlap(best):
            best = trial
    return np.clip(best, 0, 1)


def overlap(f):
    """Return what is to be small: the largest overlap."""
    return np.correlate(f, 1 - f, "full").max() * 2 / len(f)


# EVOLVE-BLOCK-END

"""Features of points on two spirals: the coordinates, and the coordinates in waves along the radius."""

# EVOLVE-BLOCK-START
import numpy as np


def features(points):
    """Return an array (n, k) of features for an array (n, 2) of points."""
    x, y = points[:, 0], points[:, 1]
    radius = np.hypot(x, y)
    return np.stack([x, y, x * np.cos(1.2 * radius), y * np.sin(1.2 * radius)], axis=1)


# EVOLVE-BLOCK-END

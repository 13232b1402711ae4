"""A reference: waves of the angle less the turns that the radius tells; on a spiral these stand still."""

import numpy as np


def features(points):
    """Return an array (n, k) of features for an array (n, 2) of points."""
    radius, angle = np.hypot(points[:, 0], points[:, 1]), np.arctan2(points[:, 1], points[:, 0])
    return np.stack([np.sin(angle - turn * radius) for turn in (1.5, 2.0, 2.5, 3.0)]
                    + [np.cos(angle - turn * radius) for turn in (1.5, 2.0, 2.5, 3.0)], axis=1)  # fmt: skip

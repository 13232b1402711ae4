"""Points at random, pushed a little apart."""

# EVOLVE-BLOCK-START
import math
from random import Random


def propose(n, seed):
    """Return n points."""
    rng = Random(seed)
    return [(rng.random(), rng.random()) for _ in range(n)]


def improve(points, seed):
    """Return the points after some steps away from their nearest neighbours."""
    points, push = list(points), 0.02
    for _ in range(10):
        for i, (x, y) in enumerate(points):
            u, v = min((other for j, other in enumerate(points) if j != i), key=lambda other: math.dist(other, (x, y)))
            points[i] = (inside(x + push * (x - u)), inside(y + push * (y - v)))
    return points


def perturb(points, strength, seed):
    """Return the points, each moved by chance."""
    rng = Random(seed)
    reach = 0.3 * strength
    return [(inside(x + rng.gauss(0, reach)), inside(y + rng.gauss(0, reach))) for x, y in points]


def inside(x):
    """Return the nearest number in [0, 1]."""
    return min(max(x, 0), 1)


# EVOLVE-BLOCK-END

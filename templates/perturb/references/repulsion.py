"""A reference: all points push each other away with a force that falls steeply with distance, in steps that shrink; a
perturbation moves one of the two points that are nearest to each other.
"""

import math
from random import Random


def propose(n, seed):
    """Return n points."""
    rng = Random(seed)
    return [(rng.random(), rng.random()) for _ in range(n)]


def improve(points, seed):
    """Return the points after steps along the forces."""
    points = [tuple(point) for point in points]
    step = 0.05
    for _ in range(150):
        moved = []
        for i, (x, y) in enumerate(points):
            fx = fy = 0.0
            for j, (u, v) in enumerate(points):
                if j != i:
                    distance = math.dist((x, y), (u, v)) + 1e-9
                    force = distance**-9
                    fx, fy = fx + force * (x - u), fy + force * (y - v)
            size = math.hypot(fx, fy) + 1e-9
            moved.append((min(max(x + step * fx / size, 0.0), 1.0), min(max(y + step * fy / size, 0.0), 1.0)))
        points = moved
        step *= 0.97
    return points


def perturb(points, strength, seed):
    """Return the points with one of the nearest two somewhere else, and the others shaken a little."""
    rng = Random(seed)
    pairs = [(math.dist(a, b), i) for i, a in enumerate(points) for b in points[:i]]
    _, worst = min(pairs)
    shaken = [tuple(min(max(x + rng.gauss(0, 0.1 * strength), 0.0), 1.0) for x in point) for point in points]
    shaken[worst] = (rng.random(), rng.random())
    return shaken

"""Packs n circles into the unit square so that the sum of their radii is large, for any n."""

# EVOLVE-BLOCK-START
import math
import random
import time


def pack(n, seed, deadline):
    """Return n centres (x, y) and n radii, within `deadline` seconds."""
    end = time.process_time() + 0.5 * deadline
    rng = random.Random(seed)
    side = math.ceil(math.sqrt(n))
    centres = [((k % side + 0.5) / side, (k // side + 0.5) / side) for k in range(n)]
    radii = grow(centres)
    for _ in range(100):
        if time.process_time() > end:
            break
        trial = list(centres)
        k = rng.randrange(n)
        trial[k] = (rng.random(), rng.random())
        grown = grow(trial)
        if sum(grown) > sum(radii):
            centres, radii = trial, grown
    return centres, radii


def grow(centres):
    """Return radii for these centres: one after the other, each as large as it can be."""
    radii = []
    for i, (x, y) in enumerate(centres):
        room = min(x, y, 1 - x, 1 - y)
        for j, other in enumerate(centres):
            if j != i:
                distance = math.dist((x, y), other)
                room = min(room, distance - radii[j] if j < i else distance / 2)
        radii.append(max(room, 0.0))
    return radii


# EVOLVE-BLOCK-END

"""Packs n circles into the unit square so that the sum of their radii is large."""

# EVOLVE-BLOCK-START
import math


def pack(n):
    """Return n centres (x, y) and n radii."""
    centres = [(0.5, 0.5)]
    for k in range(8):
        angle = 2 * math.pi * k / 8
        centres.append((0.5 + 0.3 * math.cos(angle), 0.5 + 0.3 * math.sin(angle)))
    for k in range(17):
        angle = 2 * math.pi * k / 17
        centres.append((0.5 + 0.7 * math.cos(angle), 0.5 + 0.7 * math.sin(angle)))
    centres = [(min(max(x, 0.01), 0.99), min(max(y, 0.01), 0.99)) for x, y in centres]
    return centres, shrink(centres)


def shrink(centres):
    """Return the radii left when each pair that overlaps has been shrunk in turn."""
    radii = [min(x, y, 1 - x, 1 - y) for x, y in centres]
    for i in range(len(centres)):
        for j in range(i):
            distance = math.dist(centres[i], centres[j])
            if radii[i] + radii[j] > distance:
                scale = distance / (radii[i] + radii[j])
                radii[i] *= scale
                radii[j] *= scale
    return radii


# EVOLVE-BLOCK-END

"""Points whose largest distance is small compared with their smallest."""

# EVOLVE-BLOCK-START
import itertools


def points(n, dimensions):
    """Return the first n points of a grid."""
    side = 1
    while side**dimensions < n:
        side += 1
    return [list(map(float, place)) for place in itertools.islice(itertools.product(range(side), repeat=dimensions), n)]


# EVOLVE-BLOCK-END

"""Points whose largest distance is small compared with their smallest."""

# EVOLVE-BLOCK-START
import itertools


def points(n, dimensions):
    """Return the n points of a lattice that lie nearest to a centre."""
    shift, height, centre = 0.0, 1.0, 0.5
    lattice = []
    for place in itertools.product(range(-2, 4), repeat=dimensions):
        first = place[0] + shift * sum(place[1:])
        lattice.append([first] + [height * k for k in place[1:]])
    lattice.sort(key=lambda point: sum((x - centre) ** 2 for x in point))
    return lattice[:n]


# EVOLVE-BLOCK-END

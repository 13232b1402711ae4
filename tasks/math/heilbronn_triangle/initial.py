"""Points in the triangle x >= 0, y >= 0, x + y <= 1, no three of them in a small triangle."""

# EVOLVE-BLOCK-START
import random


def points(n):
    """Return n points: the best of some random ones."""
    rng = random.Random(0)
    trials = [[place(rng) for _ in range(n)] for _ in range(30)]
    return max(trials, key=smallest)


def place(rng):
    """Return a random point of the triangle."""
    x, y = rng.random(), rng.random()
    return (x, y) if x + y <= 1 else (1 - x, 1 - y)


def smallest(p):
    """Return the share of the smallest triangle."""
    n = len(p)
    return min(
        abs((p[j][0] - p[i][0]) * (p[k][1] - p[i][1]) - (p[k][0] - p[i][0]) * (p[j][1] - p[i][1]))
        for k in range(n)
        for j in range(k)
        for i in range(j)
    )


# EVOLVE-BLOCK-END

"""A tree-structured Parzen estimator: of many proposals, ask about the one that is likelier among the good than among the
others.

Bergstra, Bardenet, Bengio and Kegl, "Algorithms for Hyper-Parameter Optimization" (NIPS 2011), section 4: choose the largest
l(x) / g(x). Here l and g are products of smoothed frequencies, one factor for the links and one for each node's operation. From
memory.
"""

import math
import random
from collections.abc import Callable
from typing import Any

Architecture = tuple[list[int], list[int]]
Point = tuple[int, ...]
START = 15
GOOD = 0.2
PROPOSALS = 24


def search(query: Callable[..., float], space: dict[str, Any], budget: int, seed: int) -> Architecture:
    """Return the best architecture found."""
    rng = random.Random(seed)
    sizes = [len(space["links"])] + [space["operations"]] * len(space["links"][0])
    history, asked = [], set()
    while len(history) < budget:
        chosen = tuple(rng.randrange(size) for size in sizes)
        if len(history) >= START:
            ranked = [one for _, one in sorted(history, reverse=True)]
            cut = max(4, int(GOOD * len(ranked)))
            good, rest = frequencies(ranked[:cut], sizes), frequencies(ranked[cut:], sizes)
            gain = [[math.log(a / b) for a, b in zip(*pair, strict=True)] for pair in zip(good, rest, strict=True)]
            proposals = [one for one in (draw(good, rng) for _ in range(PROPOSALS)) if one not in asked] or [chosen]
            chosen = max(proposals, key=lambda one: sum(log[v] for log, v in zip(gain, one, strict=True)))
        asked.add(chosen)
        history.append((query(space["links"][chosen[0]], list(chosen[1:])), chosen))
    _, best = max(history)
    return space["links"][best[0]], list(best[1:])


def frequencies(points: list[Point], sizes: list[int]) -> list[list[float]]:
    """Return for each position the smoothed share of each value."""
    return [
        [(sum(point[i] == v for point in points) + 1) / (len(points) + size) for v in range(size)]
        for i, size in enumerate(sizes)
    ]


def draw(shares: list[list[float]], rng: random.Random) -> Point:
    """Return a point whose positions are drawn from these shares."""
    return tuple(rng.choices(range(len(share)), share)[0] for share in shares)

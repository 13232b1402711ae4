"""Pareto local search: ask about the neighbours of what nothing seen so far beats, one front after another.

Paquete, Chiarandini and Stuetzle, "Pareto Local Optimum Sets in the Biobjective Traveling Salesman Problem" (2004). From
memory; it starts from ten random architectures, and a neighbour differs in one decision.
"""

import random
from collections.abc import Callable
from typing import Any

Architecture = tuple[list[int], list[int]]
Point = tuple[int, ...]
Cost = tuple[float, float]
START = 10
FRONT = 10


def search(
    query: Callable[..., tuple[float, float]], space: dict[str, Any], budget: int, seed: int
) -> list[Architecture]:
    """Return a front of architectures."""
    rng = random.Random(seed)
    sizes = [len(space["links"])] + [space["operations"]] * len(space["links"][0])
    seen, left = {}, {}
    while len(seen) < budget:
        front = [one for one in seen if not any(dominates(seen[other], seen[one]) for other in seen)]
        open_ = [one for one in front if left[one]]
        fresh = len(seen) < START or not open_
        point = tuple(rng.randrange(size) for size in sizes) if fresh else left[rng.choice(open_)].pop()
        if point not in seen:
            accuracy, latency = query(space["links"][point[0]], list(point[1:]))
            seen[point] = (-accuracy, latency)
            left[point] = neighbours(point, sizes, rng)
    front = sorted((one for one in seen if not any(dominates(seen[other], seen[one]) for other in seen)), key=seen.get)
    step = max(1, -(-len(front) // FRONT))
    return [(space["links"][point[0]], list(point[1:])) for point in front[::step]]


def dominates(one: Cost, two: Cost) -> bool:
    """Whether one is at least as good in both respects, and not the same."""
    return one != two and all(a <= b for a, b in zip(one, two, strict=True))


def neighbours(point: Point, sizes: list[int], rng: random.Random) -> list[Point]:
    """Return the architectures one decision away, in random order."""
    found = [
        (*point[:place], value, *point[place + 1 :])
        for place, size in enumerate(sizes)
        for value in range(size)
        if value != point[place]
    ]
    rng.shuffle(found)
    return found

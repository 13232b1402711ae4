"""Monte Carlo tree search over the decisions that make an architecture, by upper confidence bounds.

Negrinho and Gordon, "DeepArchitect: Automatically Designing and Training Deep Architectures" (arXiv 1704.08792), section 5.2:
the tree's levels are the decisions (here the links, then one operation after another), a node is chosen by UCB1 and what lies
below the tree is drawn at random. From memory. Values are brought to [0, 1] by the ranks seen so far, because their unit is not
known.
"""

import math
import random
from bisect import bisect
from collections.abc import Callable
from typing import Any

Architecture = tuple[list[int], list[int]]
Point = tuple[int, ...]
EXPLORE = 0.3


def search(query: Callable[..., float], space: dict[str, Any], budget: int, seed: int) -> Architecture:
    """Return the best architecture found."""
    rng = random.Random(seed)
    choices = [list(range(len(space["links"])))] + [list(range(space["operations"]))] * len(space["links"][0])
    visits, values = {}, {}
    order, history = [], []
    for _ in range(budget):
        path = ()
        while len(path) < len(choices):
            options = [(*path, choice) for choice in choices[len(path)]]
            fresh = [option for option in options if option not in visits]
            if fresh:
                path = rng.choice(fresh)
                break
            total = math.log(sum(visits[option] for option in options))
            path = max(options, key=lambda one: (bound(one, values, visits, order, total), rng.random()))
        tree = len(path)
        while len(path) < len(choices):  # the rollout
            path += (rng.choice(choices[len(path)]),)
        value = query(space["links"][path[0]], list(path[1:]))
        history.append((value, path))
        order.insert(bisect(order, value), value)
        for depth in range(1, tree + 1):
            visits[path[:depth]] = visits.get(path[:depth], 0) + 1
            values.setdefault(path[:depth], []).append(value)
    _, path = max(history)
    return space["links"][path[0]], list(path[1:])


def bound(
    node: Point, values: dict[Point, list[float]], visits: dict[Point, int], order: list[float], total: float
) -> float:
    """Return a node's mean rank among all values seen, plus what it may be better than that."""
    mean = sum(bisect(order, value) for value in values[node]) / len(values[node]) / len(order)
    return mean + EXPLORE * math.sqrt(2 * total / visits[node])

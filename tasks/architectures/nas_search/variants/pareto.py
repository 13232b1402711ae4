"""The seed of the variant: ask about architectures drawn at random, and return those that no other of them beats in both
respects.
"""

import random
from collections.abc import Callable
from typing import Any

Architecture = tuple[list[int], list[int]]

FRONT = 10


def search(
    query: Callable[..., tuple[float, float]], space: dict[str, Any], budget: int, seed: int
) -> list[Architecture]:
    """Return a front of architectures."""
    rng = random.Random(seed)
    seen = []
    for _ in range(budget):
        links = rng.choice(space["links"])
        operations = [rng.randrange(space["operations"]) for _ in links]
        accuracy, latency = query(links, operations)
        seen.append((accuracy, latency, links, operations))
    seen.sort(key=lambda one: (one[1], -one[0]))  # the quickest first
    front = []
    for one in seen:
        if not front or one[0] > front[-1][0]:
            front.append(one)
    step = max(1, -(-len(front) // FRONT))
    return [(links, operations) for _, _, links, operations in front[::-1][::step]]

"""Local search: climb to the first better neighbour, and start again where a whole neighbourhood is no better.

White, Nolen and Savani, "Exploring the Loss Landscape in Neural Architecture Search" (arXiv 2005.02960), who find it hard to
beat on tables like these. From memory; a neighbour differs in one operation or in the links.
"""

import random
from collections.abc import Callable
from typing import Any

Architecture = tuple[list[int], list[int]]


def neighbours(
    links: list[int], operations: list[int], space: dict[str, Any], rng: random.Random
) -> list[Architecture]:
    """Return all architectures one change away, in random order."""
    found = [(other, operations) for other in space["links"] if other != links]
    for node, own in enumerate(operations):
        for operation in range(space["operations"]):
            if operation != own:
                found.append((links, [*operations[:node], operation, *operations[node + 1 :]]))
    rng.shuffle(found)
    return found


def search(query: Callable[..., float], space: dict[str, Any], budget: int, seed: int) -> Architecture:
    """Return the best architecture found."""
    rng = random.Random(seed)
    known = {}

    def value(links: list[int], operations: list[int]) -> float:
        key = (tuple(links), tuple(operations))
        if key not in known and len(known) < budget:
            known[key] = query(links, operations)
        return known.get(key, float("-inf"))

    while len(known) < budget:
        links = rng.choice(space["links"])
        here = links, [rng.randrange(space["operations"]) for _ in links]
        height = value(*here)
        climbing = True
        while climbing and len(known) < budget:
            climbing = False
            for there in neighbours(*here, space, rng):
                if value(*there) > height:
                    here, height, climbing = there, value(*there), True
                    break
    links, operations = max(known, key=known.get)
    return list(links), list(operations)

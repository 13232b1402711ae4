"""Regularised evolution: the parent is the best of a random sample, the child takes the place of the oldest.

Real, Aggarwal, Huang and Le, "Regularized Evolution for Image Classifier Architecture Search" (arXiv 1802.01548), algorithm 1,
with a population of 20 and samples of 5 for these small budgets. From memory.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Any

Architecture = tuple[list[int], list[int]]

POPULATION = 20
SAMPLE = 5


def search(query: Callable[..., float], space: dict[str, Any], budget: int, seed: int) -> Architecture:
    """Return the best architecture found."""
    rng = random.Random(seed)
    population, history = deque(), []
    for number in range(budget):
        if number < POPULATION:
            links = rng.choice(space["links"])
            operations = [rng.randrange(space["operations"]) for _ in links]
        else:
            _, links, operations = max(rng.sample(list(population), SAMPLE), key=lambda one: one[0])
            links, operations = mutate(links, operations, space, rng)
        population.append((query(links, operations), links, operations))
        history.append(population[-1])
        if len(population) > POPULATION:
            population.popleft()
    _, links, operations = max(history, key=lambda one: one[0])
    return links, operations


def mutate(links: list[int], operations: list[int], space: dict[str, Any], rng: random.Random) -> Architecture:
    """Change the links, or one operation."""
    if rng.random() < 0.2:
        return rng.choice([other for other in space["links"] if other != links]), operations
    node = rng.randrange(len(operations))
    others = [operation for operation in range(space["operations"]) if operation != operations[node]]
    return links, [*operations[:node], rng.choice(others), *operations[node + 1 :]]

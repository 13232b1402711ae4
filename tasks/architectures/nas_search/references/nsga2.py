"""Evolution by non-dominated sorting, for the front of accuracy and latency.

Deb, Pratap, Agarwal and Meyarivan, "A Fast and Elitist Multiobjective Genetic Algorithm: NSGA-II" (IEEE TEC 2002), sections
III-A and III-B: rank by fronts, then by crowding distance; as hardware-aware searches use it. Mutation and uniform crossover.
From memory.
"""

import random
from collections.abc import Callable
from typing import Any

Architecture = tuple[list[int], list[int]]
Point = tuple[int, ...]
Cost = tuple[float, float]
POPULATION = 20
FRONT = 10


def search(
    query: Callable[..., tuple[float, float]], space: dict[str, Any], budget: int, seed: int
) -> list[Architecture]:
    """Return a front of architectures."""
    rng = random.Random(seed)
    seen = {}
    population = []
    while len(seen) < budget:
        if len(seen) < POPULATION:
            point = fresh(space, rng)
        else:
            one, two = (min(rng.sample(range(len(population)), 2)) for _ in range(2))  # the population is sorted
            point = mutate(cross(population[one], population[two], rng), space, rng)
        if point in seen:
            point = fresh(space, rng)
        if point not in seen:
            accuracy, latency = query(space["links"][point[0]], list(point[1:]))
            seen[point] = (-accuracy, latency)
            population = ranked([*population, point], seen)[:POPULATION]
    best = ranked(list(seen), seen)
    front = [one for one in best if not any(dominates(seen[other], seen[one]) for other in best)]
    return [(space["links"][point[0]], list(point[1:])) for point in front[:FRONT]]


def fresh(space: dict[str, Any], rng: random.Random) -> Point:
    """Return an architecture drawn at random: which links, and an operation per node."""
    return (rng.randrange(len(space["links"])), *(rng.randrange(space["operations"]) for _ in space["links"][0]))


def cross(one: Point, two: Point, rng: random.Random) -> Point:
    """Return a child that has each decision from one of two parents."""
    return tuple(rng.choice(pair) for pair in zip(one, two, strict=True))


def mutate(point: Point, space: dict[str, Any], rng: random.Random) -> Point:
    """Change one decision."""
    place = rng.randrange(len(point))
    value = rng.randrange(len(space["links"]) if place == 0 else space["operations"])
    return (*point[:place], value, *point[place + 1 :])


def dominates(one: Cost, two: Cost) -> bool:
    """Whether one is at least as good in both respects, and not the same."""
    return one != two and all(a <= b for a, b in zip(one, two, strict=True))


def ranked(points: list[Point], seen: dict[Point, Cost]) -> list[Point]:
    """Return the points front by front, in each the loneliest first."""
    left, found = list(points), []
    while left:
        front = [one for one in left if not any(dominates(seen[other], seen[one]) for other in left)]
        left = [one for one in left if one not in front]
        distance = dict.fromkeys(front, 0.0)
        for axis in range(2):
            line = sorted(front, key=lambda one: seen[one][axis])
            width = (seen[line[-1]][axis] - seen[line[0]][axis]) or 1.0
            distance[line[0]] = distance[line[-1]] = float("inf")
            for low, one, high in zip(line, line[1:], line[2:], strict=False):
                distance[one] += (seen[high][axis] - seen[low][axis]) / width
        found += sorted(front, key=lambda one: -distance[one])
    return found

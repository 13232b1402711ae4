"""A predictor ranks what might be asked next: Bayesian linear regression on one-hot features, with Thompson sampling.

After BANANAS (White, Neiswanger and Savani, arXiv 1910.11858), which trains an ensemble on what was asked, proposes mutations
of the best and chooses by independent Thompson sampling. Its neural ensemble is a linear model here, on which operation is
where and which are in it at all: dozens of answers do not feed more. From memory.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np

Architecture = tuple[list[int], list[int]]
Point = tuple[int, ...]
START = 10
PROPOSALS = 60
RIDGE = 1.0


def search(query: Callable[..., float], space: dict[str, Any], budget: int, seed: int) -> Architecture:
    """Return the best architecture found."""
    rng, noise = random.Random(seed), np.random.default_rng(seed % 2**63)
    count, nodes = space["operations"], len(space["links"][0])
    history, asked = [], set()

    def features(point: Point) -> np.ndarray:
        row = np.zeros(1 + len(space["links"]) + (nodes + 2) * count)
        row[0] = row[1 + point[0]] = 1
        links = space["links"][point[0]]
        for node, operation in enumerate(point[1:]):
            row[1 + len(space["links"]) + node * count + operation] = 1
            row[1 + len(space["links"]) + nodes * count + operation] += 0.5
            if links[node] == 0:  # it reads the input
                row[1 + len(space["links"]) + (nodes + 1) * count + operation] += 0.5
        return row

    def fresh() -> Point:
        return (rng.randrange(len(space["links"])), *(rng.randrange(count) for _ in range(nodes)))

    while len(history) < budget:
        point = fresh()
        if len(history) >= START:
            x = np.array([row for _, _, row in history])
            y = np.array([value for value, _, _ in history])
            # Ranks: a few architectures that do not train at all count no more than that.
            y = y.argsort().argsort() / len(y) - 0.5
            inverse = np.linalg.inv(x.T @ x + RIDGE * np.eye(x.shape[1]))
            mean = inverse @ x.T @ y
            spread = np.std(y - x @ mean) + 1e-3
            best = [one for _, one, _ in sorted(history, key=lambda one: -one[0])[:10]]
            proposals = [
                mutate(rng.choice(best), space, rng) if rng.random() < 0.8 else fresh() for _ in range(PROPOSALS)
            ]
            proposals = [one for one in proposals if one not in asked] or [fresh()]
            sample = noise.multivariate_normal(mean, spread**2 * inverse, method="cholesky")
            point = max(proposals, key=lambda one: features(one) @ sample)
        asked.add(point)
        history.append((query(space["links"][point[0]], list(point[1:])), point, features(point)))
    _, best, _ = max(history, key=lambda one: one[0])
    return space["links"][best[0]], list(best[1:])


def mutate(point: Point, space: dict[str, Any], rng: random.Random) -> Point:
    """Change one or two of the decisions."""
    point = list(point)
    for _ in range(rng.choice((1, 2))):
        place = rng.randrange(len(point))
        point[place] = rng.randrange(len(space["links"]) if place == 0 else space["operations"])
    return tuple(point)

"""The judge leads the search: it alone accepts, keeps the best, and counts rounds, so that no program can take more of them."""

from __future__ import annotations

import math
from random import Random

from evolve import Candidate, Invalid, Result

POINTS, OTHER = 12, 15
ROUNDS = 8
HELD_OUT = (31_337, 64_901)
Points = list[tuple[float, float]]


def screen(candidate: Candidate) -> float:
    """Score one proposal, improved once."""
    return search(candidate, 9, 1000, 0)[0]


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Search for 12 points."""
    score, gains, points = search(candidate, POINTS, seed, ROUNDS)
    feedback = (
        f"{gains} of {ROUNDS} perturbations led to something better; the smallest distance is {smallest(points):.4f}"
    )
    return Result(score, {"gains": gains}, feedback, {"points.svg": draw(points)})


def validate(candidate: Candidate) -> float:
    """Search for another number of points, from seeds that no candidate has seen."""
    return sum(search(candidate, OTHER, seed, ROUNDS)[0] for seed in HELD_OUT) / len(HELD_OUT)


def search(candidate: Candidate, n: int, seed: int, rounds: int) -> tuple[float, int, Points]:
    """Return the score, how many rounds gained something, and the points."""
    rng = Random(seed)
    best = read(candidate.call("propose", n, rng.getrandbits(31)), n, "propose")
    best = read(candidate.call("improve", best, rng.getrandbits(31)), n, "improve")
    gains = 0
    for turn in range(rounds):
        strength = 1 - turn / rounds
        other = read(candidate.call("perturb", best, strength, rng.getrandbits(31)), n, "perturb")
        other = read(candidate.call("improve", other, rng.getrandbits(31)), n, "improve")
        if smallest(other) > smallest(best):
            best, gains = other, gains + 1
    return smallest(best) * (math.sqrt(n) - 1), gains, best


def read(reply: object, n: int, function: str) -> Points:
    """Return what a function answered as points; whatever is not n points of the unit square is refused."""
    if not isinstance(reply, (list, tuple)) or len(reply) != n:
        raise Invalid(f"{function} must return {n} points")
    points: Points = []
    for point in reply:
        if not isinstance(point, (list, tuple)) or len(point) != 2:
            raise Invalid(f"{function} must return points (x, y), not {point!r:.40}")
        if not all(type(x) in (int, float) and 0 <= x <= 1 for x in point):
            raise Invalid(f"{function} must return points of two numbers from 0 to 1, not {point!r:.60}")
        points.append((float(point[0]), float(point[1])))
    return points


def smallest(points: Points) -> float:
    """Return the smallest distance between two points."""
    return min(math.dist(a, b) for i, a in enumerate(points) for b in points[:i])


def draw(points: Points) -> str:
    """Return a picture: a disc around each point, as large as the smallest distance allows."""
    radius = smallest(points) / 2
    discs = "".join(f'<circle cx="{x:.4f}" cy="{1 - y:.4f}" r="{radius:.4f}"/>' for x, y in points)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-.2 -.2 1.4 1.4" width="420" height="420">'
        f'<rect width="1" height="1" fill="#fff" stroke="#333" stroke-width=".004"/><g fill="#9cc4e4">{discs}</g></svg>'
    )

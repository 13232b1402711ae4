"""The judge: draws the items, checks the packing, counts the bins."""

from __future__ import annotations

from random import Random

from evolve import Candidate, Invalid, Result

ITEMS = 300
SHORT = 80
SCREEN = 1000
HELD_OUT = (52_391, 77_213, 90_841)
"""Seeds that no candidate sees before it is champion."""
SLACK = 1e-9


def screen(candidate: Candidate) -> float:
    """Judge one short sequence first: who is not among the best half of the latest ends here."""
    return waste(candidate, SCREEN, SHORT)[0]


def evaluate(candidate: Candidate, seed: int) -> Result:
    """Judge one sequence; the seed is the same for every candidate."""
    score, fill = waste(candidate, seed, ITEMS)
    poor = sum(one < 0.8 for one in fill)
    return Result(score, {"bins": len(fill)}, f"{len(fill)} bins, {poor} of them less than 80 % full")


def validate(candidate: Candidate) -> float:
    """Judge held-out sequences of another length."""
    return sum(waste(candidate, seed, 2 * ITEMS)[0] for seed in HELD_OUT) / len(HELD_OUT)


def waste(candidate: Candidate, seed: int, count: int) -> tuple[float, list[float]]:
    """Return the number of bins over the sum of the items, and how full each bin is."""
    rng = Random(seed)
    items = [rng.uniform(0.1, 0.7) for _ in range(count)]
    bins = candidate.call("pack", items)
    if not isinstance(bins, list) or len(bins) != count or not all(type(one) is int for one in bins):
        raise Invalid(f"pack must return a list of {count} whole numbers: the bin of each item")
    full: dict[int, float] = {}
    for place, size in zip(bins, items, strict=True):
        full[place] = full.get(place, 0.0) + size
    over = next((place for place, size in full.items() if size > 1 + SLACK), None)
    if over is not None:
        raise Invalid(f"bin {over} holds {full[over]:.6f}, more than 1")
    return len(full) / sum(items), list(full.values())

"""Judges how close the largest distance between points is to the smallest, exactly: fractions, no root, no tolerance."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from evolve import Candidate, Invalid, Result
from evolve.kit import numbers

WORST = 10**9
"""What is larger counts as points that coincide."""


def evaluate(candidate: Candidate) -> Result:
    """Return (largest distance / smallest distance)²."""
    n, dimensions = candidate.settings["n"], candidate.settings["dimensions"]
    points = numbers.table(candidate.call("points", n, dimensions), "points", n, dimensions)
    exact = [tuple(map(Fraction, point)) for point in points]
    squares = {(i, j): sum((a - b) ** 2 for a, b in zip(exact[i], exact[j])) for i, j in combinations(range(n), 2)}  # noqa: B905
    least, most = min(squares.values()), max(squares.values())
    if least * WORST <= most:
        i, j = min(squares, key=lambda pair: squares[pair])
        raise Invalid(f"points {i} and {j} coincide, or nearly: the points must be apart from each other")
    score = float(most / least)
    short = [pair for pair, square in squares.items() if square <= least * (1 + Fraction(1, 10**6))]
    long = [pair for pair, square in squares.items() if square >= most * (1 - Fraction(1, 10**6))]
    idle = sorted(set(range(n)) - {i for pair in short + long for i in pair})
    feedback = (
        f"of {len(squares)} distances {len(short)} are the smallest and {len(long)} the largest, up to 1e-6; "
        + (f"points {', '.join(map(str, idle))} take part in none of them" if idle else "every point takes part in one")
    )
    metrics = {"shortest": len(short), "longest": len(long)}
    return Result(score, metrics, feedback, {"points.svg": draw(exact, short, long)})


def draw(points: list[tuple[Fraction, ...]], short: list[tuple[int, int]], long: list[tuple[int, int]]) -> str:
    """Return the points with their smallest (dark) and largest (pale) distances; in space, seen along a slanted axis."""
    low = [min(column) for column in zip(*points, strict=True)]
    size = max(max(column) - least for column, least in zip(zip(*points, strict=True), low, strict=True))
    unit = [[float((value - least) / size) for value, least in zip(point, low, strict=True)] for point in points]
    flat = [(p[0] + 0.35 * sum(p[2:]), 1 - p[1] + 0.2 * sum(p[2:])) for p in unit]
    parts = []
    for pairs, style in (
        (long, 'stroke="#e5b8a8" stroke-width=".004"'),
        (short, 'stroke="#1f5582" stroke-width=".008"'),
    ):
        for (x, y), (u, v) in ((flat[i], flat[j]) for i, j in pairs):
            parts.append(f'<path d="M{x:.4f},{y:.4f}L{u:.4f},{v:.4f}" {style}/>')
    parts += [f'<circle cx="{x:.4f}" cy="{y:.4f}" r=".014" fill="#333"/>' for x, y in flat]
    view = 'xmlns="http://www.w3.org/2000/svg" viewBox="-.1 -.1 1.6 1.5" width="520" height="488"'
    return f'<svg {view}><rect x="-.1" y="-.1" width="1.6" height="1.5" fill="#fff"/>{"".join(parts)}</svg>'

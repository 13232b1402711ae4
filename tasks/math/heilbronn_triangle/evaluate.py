"""Judges the smallest of all triangles between points in a triangle, exactly.

The share of the enclosing triangle's area does not change when the plane is stretched, so a right-angled triangle with two
equal legs stands for every triangle, and no root is needed. The judge takes the smallest one of that shape and direction
around the points: wherever they lie, they lie in it, so nothing has to be tolerated. Areas are fractions.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from evolve import Candidate, Invalid, Result
from evolve.kit import numbers

N = 11
Point = tuple[Fraction, Fraction]


def evaluate(candidate: Candidate) -> Result:
    """Return the smallest triangle's area, as a share of the triangle around all points."""
    points = enclosed(numbers.table(candidate.call("points", N), "points", N, 2))
    areas = {(i, j, k): area(points[i], points[j], points[k]) for i, j, k in combinations(range(N), 3)}
    least = min(areas.values())
    tight = [triple for triple, value in areas.items() if value <= least * (1 + Fraction(1, 10**6))]
    score = float(least)
    often = max(range(N), key=lambda i: sum(i in triple for triple in tight))
    feedback = (
        f"{len(tight)} of {len(areas)} triangles are the smallest, up to 1e-6, among them {min(tight)}; "
        f"point {often} is in most of them; {sum(0 in (x, y, 1 - x - y) for x, y in points)} points lie on the sides"
    )
    return Result(score, {"tight": len(tight)}, feedback, {"points.svg": draw(points, tight)})


def enclosed(points: list[tuple[float, ...]]) -> list[Point]:
    """Return the points moved and scaled so that they touch the sides of x >= 0, y >= 0, x + y <= 1."""
    exact = [(Fraction(x), Fraction(y)) for x, y in points]
    left, bottom = min(x for x, _ in exact), min(y for _, y in exact)
    size = max(x + y for x, y in exact) - left - bottom
    if size == 0:
        raise Invalid("all points are the same")
    return [((x - left) / size, (y - bottom) / size) for x, y in exact]


def area(a: Point, b: Point, c: Point) -> Fraction:
    """Return the area between three points, where the triangle around all has the area 1."""
    return abs((b[0] - a[0]) * (c[1] - a[1]) - (c[0] - a[0]) * (b[1] - a[1]))


def draw(points: list[Point], tight: list[tuple[int, ...]]) -> str:
    """Return the points and the smallest triangles between them, the triangle around them drawn with equal sides."""
    flat = [(float(x + y / 2), 1 - float(y) * 0.75**0.5) for x, y in points]
    corners = ["L".join(f"{flat[i][0]:.4f},{flat[i][1]:.4f}" for i in triple) for triple in tight]
    style = 'fill="#9cc4e4" fill-opacity=".35" stroke="#1f5582" stroke-width=".002"'
    shades = "".join(f'<path d="M{path}Z" {style}/>' for path in corners)
    dots = "".join(f'<circle cx="{x:.4f}" cy="{y:.4f}" r=".01" fill="#333"/>' for x, y in flat)
    frame = f'<path d="M0,1L1,1L.5,{1 - 0.75**0.5:.4f}Z" fill="#fff" stroke="#333" stroke-width=".004"/>'
    view = 'xmlns="http://www.w3.org/2000/svg" viewBox="-.03 .1 1.06 .93" width="520" height="456"'
    return f"<svg {view}>{frame}{shades}{dots}</svg>"

"""Judges a packing of 26 circles in the unit square in exact arithmetic, with tolerance 0.

Every float is a dyadic rational, so all of them are whole numbers in units of one common power of two, and a packing
can be checked without a root and without rounding: circles lie in the square, and (dx)² + (dy)² >= (r_i + r_j)² for
each pair. An optimiser's output overlaps by some 1e-15, so what is scored is what can be certified: all radii are
shrunk by the smallest step of 1e-17 · 2^k that leaves a valid packing. A packing that needs more than 1e-9 is invalid.
"""

from __future__ import annotations

from fractions import Fraction
from math import hypot, isfinite
from typing import Any

from evolve import Candidate, Invalid, Result

N = 26
WORST = 1e-9
Circle = tuple[float, float, float]


def evaluate(candidate: Candidate) -> Result:
    """Return the certified sum of the radii, with what binds and a picture."""
    circles = read(candidate.call("pack", N))
    certified, shrunk = certify(circles)
    score = float(sum(Fraction(r) for _, _, r in certified))
    gaps = constraints(certified)
    touching = [name for gap, name in gaps if gap < 1e-6]
    smallest = min(range(N), key=lambda i: certified[i][2])
    feedback = (
        f"{len(touching)} constraints bind (gap below 1e-6){': ' if touching else ''}{', '.join(touching[:6])}; "
        f"{loosest(certified)}; the smallest is circle {smallest} with radius {certified[smallest][2]:.6g}"
    )
    metrics = {"slack": gaps[0][0], "binding": len(touching), "smallest": certified[smallest][2], "shrunk": shrunk}
    return Result(score, metrics, feedback, {"packing.svg": draw(certified)})


def read(reply: Any) -> list[Circle]:
    """Return (x, y, r) of each circle; whatever is not 26 finite centres and radii is refused."""
    if not isinstance(reply, (list, tuple)) or len(reply) != 2:
        raise Invalid("pack must return two things: the centres and the radii")
    centres, radii = (part.tolist() if hasattr(part, "tolist") else part for part in reply)
    for name, part in (("centres", centres), ("radii", radii)):
        if not isinstance(part, (list, tuple)) or len(part) != N:
            raise Invalid(
                f"expected {N} {name}, got {len(part) if isinstance(part, (list, tuple)) else type(part).__name__}"
            )
    circles: list[Circle] = []
    for i, (centre, radius) in enumerate(zip(centres, radii, strict=True)):
        values = (*centre, radius) if isinstance(centre, (list, tuple)) else ()
        if len(values) != 3 or any(type(value) not in (int, float) or not isfinite(value) for value in values):
            raise Invalid(
                f"circle {i} must be a centre of two finite numbers and a finite radius, not {centre!r:.60} and {radius!r:.30}"
            )
        x, y, r = map(float, values)
        if r < 0:
            raise Invalid(f"circle {i} has the negative radius {r!r}")
        circles.append((x, y, r))
    return circles


def certify(circles: list[Circle]) -> tuple[list[Circle], float]:
    """Return the packing with all radii shrunk by the least step that makes it valid, and that step."""
    if valid(circles):
        return circles, 0.0
    step = 1e-17
    while step <= WORST:
        smaller = [(x, y, max(r - step, 0.0)) for x, y, r in circles]
        if valid(smaller):
            return smaller, step
        step *= 2
    gap, name = constraints(circles)[0]
    raise Invalid(
        f"not a packing: {name} by {-gap:.6g} (and {sum(gap < 0 for gap, _ in constraints(circles)) - 1} more violations)"
    )


def valid(circles: list[Circle]) -> bool:
    """Whether the packing is valid, exactly."""
    ratios = [[value.as_integer_ratio() for value in circle] for circle in circles]
    unit = max(
        ratio[1] for circle in ratios for ratio in circle
    )  # denominators are powers of two: the largest is common
    whole = [tuple(top * (unit // bottom) for top, bottom in circle) for circle in ratios]
    if any(r < 0 or x < r or y < r or x + r > unit or y + r > unit for x, y, r in whole):
        return False
    return all(
        (x - u) ** 2 + (y - v) ** 2 >= (r + s) ** 2 for i, (x, y, r) in enumerate(whole) for u, v, s in whole[:i]
    )


def constraints(circles: list[Circle]) -> list[tuple[float, str]]:
    """Return (gap, name) of every constraint, tightest first; a negative gap is a violation. In floats: for people, not
    for the verdict.
    """
    gaps: list[tuple[float, str]] = []
    for i, (x, y, r) in enumerate(circles):
        gaps += [(x - r, f"circle {i} and the left side"), (1 - x - r, f"circle {i} and the right side")]
        gaps += [(y - r, f"circle {i} and the bottom"), (1 - y - r, f"circle {i} and the top")]
        gaps += [(hypot(x - u, y - v) - r - s, f"circles {j} and {i}") for j, (u, v, s) in enumerate(circles[:i])]
    return sorted(gaps)


def loosest(circles: list[Circle]) -> str:
    """Name the circle with the most room to grow, and that room."""
    room = [
        min(
            x - r,
            y - r,
            1 - x - r,
            1 - y - r,
            *(hypot(x - u, y - v) - r - s for j, (u, v, s) in enumerate(circles) if j != i),
        )
        for i, (x, y, r) in enumerate(circles)
    ]
    free = max(range(N), key=lambda i: room[i])
    return f"circle {free} has the most room to grow: {room[free]:.6g}"


def draw(circles: list[Circle]) -> str:
    """Return the packing as an SVG picture, y upwards."""
    discs = "".join(f'<circle cx="{x:.5f}" cy="{1 - y:.5f}" r="{r:.5f}"/>' for x, y, r in circles)
    frame = '<rect width="1" height="1" fill="#fff" stroke="#333" stroke-width=".004"/>'
    view = 'xmlns="http://www.w3.org/2000/svg" viewBox="-.01 -.01 1.02 1.02" width="520" height="520"'
    return f'<svg {view}>{frame}<g fill="#9cc4e4" stroke="#1f5582" stroke-width=".003">{discs}</g></svg>'

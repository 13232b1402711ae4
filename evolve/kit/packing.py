"""Packings of circles in the unit square, judged in exact arithmetic with tolerance 0, for tasks that pack them.

Every float is a dyadic rational, so all of them are whole numbers in units of one common power of two, and a packing
can be checked without a root and without rounding: circles lie in the square, and (dx)² + (dy)² >= (r_i + r_j)² for
each pair. An optimiser's output overlaps by some 1e-15, so what is scored is what can be certified: all radii are
shrunk by the smallest step of 1e-17 · 2^k that leaves a valid packing. A packing that needs more than `WORST` is invalid.
"""

from __future__ import annotations

from fractions import Fraction
from math import hypot
from typing import Any

from evolve import Invalid
from evolve.kit import numbers

WORST = 1e-9
STEPS = (*(1e-17 * 2**step for step in range(27)), WORST)
"""By how much radii are shrunk, one after the other, until a packing is valid."""
Circle = tuple[float, float, float]
"""x, y and radius."""


def read(reply: Any, n: int) -> list[Circle]:
    """Return the ``n`` circles in a reply of (centres, radii).

    Raises:
        Invalid: for whatever is not n finite centres and n finite radii from 0 on.
    """
    if not isinstance(reply, list | tuple) or len(reply) != 2:
        raise Invalid("pack must return two things: the centres and the radii")
    centres, radii = numbers.table(reply[0], "centres", n, 2), numbers.vector(reply[1], "radii", n)
    for i, radius in enumerate(radii):
        if radius < 0:
            raise Invalid(f"circle {i} has the negative radius {radius!r}")
    return [(x, y, radius) for (x, y), radius in zip(centres, radii, strict=True)]


def certify(circles: list[Circle]) -> tuple[list[Circle], float]:
    """Return the packing with all radii shrunk by the least step that makes it valid, and that step.

    Raises:
        Invalid: if no step up to `WORST` does.
    """
    if valid(circles):
        return circles, 0.0
    for step in STEPS:
        smaller = [(x, y, max(r - step, 0.0)) for x, y, r in circles]
        if valid(smaller):
            return smaller, step
    gaps = constraints(circles)
    more = sum(gap < 0 for gap, _ in gaps) - 1
    raise Invalid(f"not a packing: {gaps[0][1]} by {-gaps[0][0]:.6g} (and {more} more violations)")


def valid(circles: list[Circle]) -> bool:
    """Whether the packing is valid, exactly."""
    ratios = [[value.as_integer_ratio() for value in circle] for circle in circles]
    # Denominators are powers of two: the largest is common.
    unit = max(ratio[1] for circle in ratios for ratio in circle)
    whole = [tuple(top * (unit // bottom) for top, bottom in circle) for circle in ratios]
    if any(r < 0 or x < r or y < r or x + r > unit or y + r > unit for x, y, r in whole):
        return False
    return all(
        (x - u) ** 2 + (y - v) ** 2 >= (r + s) ** 2 for i, (x, y, r) in enumerate(whole) for u, v, s in whole[:i]
    )


def total(circles: list[Circle]) -> float:
    """Return the sum of the radii, rounded once."""
    return float(sum(Fraction(r) for _, _, r in circles))


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


def describe(circles: list[Circle]) -> str:
    """Say what binds, which circle could grow most, and which is the smallest."""
    touching = [name for gap, name in constraints(circles) if gap < 1e-6]
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
    free = max(range(len(circles)), key=lambda i: room[i])
    smallest = min(range(len(circles)), key=lambda i: circles[i][2])
    return (
        f"{len(touching)} constraints bind (gap below 1e-6){': ' if touching else ''}{', '.join(touching[:6])}; "
        f"circle {free} has the most room to grow: {room[free]:.6g}; "
        f"the smallest is circle {smallest} with radius {circles[smallest][2]:.6g}"
    )


def draw(circles: list[Circle]) -> str:
    """Return the packing as an SVG picture, y upwards."""
    discs = "".join(f'<circle cx="{x:.5f}" cy="{1 - y:.5f}" r="{r:.5f}"/>' for x, y, r in circles)
    frame = '<rect width="1" height="1" fill="#fff" stroke="#333" stroke-width=".004"/>'
    view = 'xmlns="http://www.w3.org/2000/svg" viewBox="-.01 -.01 1.02 1.02" width="520" height="520"'
    return f'<svg {view}>{frame}<g fill="#9cc4e4" stroke="#1f5582" stroke-width=".003">{discs}</g></svg>'

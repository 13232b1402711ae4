"""Step functions of equal steps, convolved in whole numbers: what a task about them scores is exact.

A function is taken with each height rounded to a whole number of units, a power of two about 2^-52 of the largest height.
So the judge has a function of its own, next to the candidate's, and whatever is computed of it is a ratio of whole numbers:
no rounding, no tolerance, and no float that is too small, too large or too many to be summed.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import frexp, ldexp
from typing import Any

from evolve import Invalid
from evolve.kit import numbers, picture

MOST = 30_000
"""The most steps: bounds the judge's own work."""
WIDE = 600
"""The most steps of a curve in a picture."""
BITS = 52
"""Of the largest height, as a whole number: no float between a half and 1 has more behind the point than one."""


def read(reply: Any, name: str = "heights") -> list[float]:
    """Return the heights in a reply.

    Raises:
        Invalid: for whatever is not 1 to `MOST` finite numbers from 0 on.
    """
    heights = numbers.vector(reply, name, 1, MOST)
    for i, height in enumerate(heights):
        if height < 0:
            raise Invalid(f"{name}[{i}] is negative ({height!r}); clip the heights at 0")
    return heights


def whole(heights: Sequence[float]) -> list[int]:
    """Return non-negative heights in units of one power of two, the largest with `BITS` + 1 bits.

    Raises:
        Invalid: if all are 0.
    """
    largest = max(heights)
    if largest == 0:
        raise Invalid("all heights are 0: the function must have a positive integral")
    shift = BITS + 1 - frexp(largest)[1]
    return [round(ldexp(height, shift)) for height in heights]


def convolve(first: Sequence[int], second: Sequence[int]) -> list[int]:
    """Return the sums of ``first[i] * second[k - i]``, one for each k, of non-negative whole numbers.

    Both become one long integer whose digits are their items, wide enough that no digit of the product carries over
    (Kronecker's substitution); so Python's own multiplication does the work.
    """
    bits = max(first).bit_length() + max(second).bit_length() + min(len(first), len(second)).bit_length()
    width = (bits + 7) // 8
    one, other = (
        int.from_bytes(b"".join(item.to_bytes(width, "little") for item in items), "little")
        for items in (first, second)
    )
    size = len(first) + len(second) - 1
    digits = (one * other).to_bytes(width * size, "little")
    return [int.from_bytes(digits[k : k + width], "little") for k in range(0, width * size, width)]


def near(values: Sequence[int], thousandths: int = 1) -> int:
    """Return how many values lie within so many thousandths below the largest: optimal functions have many such shifts."""
    largest = max(values)
    return sum(1000 * (largest - value) <= thousandths * largest for value in values)


def draw(curves: dict[str, Sequence[float]], begin: float, end: float, title: str) -> str:
    """Return a picture of curves over the interval, each of equal steps and scaled to a largest value of 1.

    Of more than `WIDE` steps, neighbours are drawn as one, at the largest of them.
    """
    series = {}
    for name, values in curves.items():
        together = -(-len(values) // WIDE)
        heights = [max(values[k : k + together]) for k in range(0, len(values), together)]
        scale, width = max(heights) or 1.0, (end - begin) * together / len(values)
        corners = [(begin + width * (i + side), height / scale) for i, height in enumerate(heights) for side in (0, 1)]
        series[name] = [(min(x, end), y) for x, y in corners]
    return picture.lines(series, title=title, x="x", y="share of the largest value")

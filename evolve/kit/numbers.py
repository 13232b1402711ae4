"""The numbers in a candidate's answer: a list or a table of them, checked before anything is computed with them.

Refused are other shapes, whatever is no real number (booleans, complex numbers and texts too), NaN, infinities, and integers
beyond every float. An array's shape is looked at before it becomes lists: one without elements may claim a billion rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from evolve import Invalid


def vector(value: Any, what: str, least: int, most: int | None = None) -> list[float]:
    """Return from ``least`` to ``most`` finite floats; without ``most``, exactly ``least``.

    Args:
        value: a list, a tuple or an array with one dimension.
        what: how messages call it.
        least: the fewest numbers that it may hold.
        most: and the most.

    Raises:
        Invalid: for anything else.
    """
    return [number(item, f"{what}[{i}]") for i, item in enumerate(_items(value, what, least, most or least))]


def table(value: Any, what: str, count: int, width: int) -> list[tuple[float, ...]]:
    """Return ``count`` rows of ``width`` finite floats each.

    Args:
        value: an array of shape (count, width), or a list or tuple of what `vector` takes.
        what: how messages call it.
        count: rows.
        width: numbers in a row.

    Raises:
        Invalid: for anything else.
    """
    if hasattr(value, "shape"):
        if tuple(value.shape) != (count, width):
            raise Invalid(f"{what} must have the shape ({count}, {width}), not {tuple(value.shape)}")
        value = value.tolist()
    return [tuple(vector(row, f"{what}[{i}]", width)) for i, row in enumerate(_items(value, what, count, count))]


def number(value: Any, what: str) -> float:
    """Return ``value`` as a finite float.

    Raises:
        Invalid: for anything that is not an int or a float with such a value.
    """
    if type(value) is not float and type(value) is not int:
        raise Invalid(f"{what} must be a number, not {type(value).__name__}")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not math.isfinite(found):
        raise Invalid(f"{what} must be finite")
    return found


def _items(value: Any, what: str, least: int, most: int) -> Sequence[Any]:
    """Return the items of a list, a tuple or an array with one dimension."""
    wanted = f"{least}" if least == most else f"{least} to {most}"
    if isinstance(value, list | tuple):
        size = len(value)
    elif hasattr(value, "shape") and len(value.shape) == 1:
        size = value.shape[0]
    else:
        shape = f"an array of shape {tuple(value.shape)}" if hasattr(value, "shape") else type(value).__name__
        raise Invalid(f"{what} must be a list of {wanted}, not {shape}")
    if not least <= size <= most:
        raise Invalid(f"expected {wanted} {what}, got {size}")
    return value if isinstance(value, list | tuple) else list(value.tolist())

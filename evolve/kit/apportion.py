"""A budget shared out in whole units: what a program asks for in fractions, rounded so that the sum is exact."""

from __future__ import annotations

import math
from collections.abc import Sequence


def whole(shares: Sequence[float], total: int, most: int) -> list[int]:
    """Round ``shares``, each in [0, ``most``], to whole numbers in [0, ``most``] whose sum is ``total``.

    By largest remainder: each gets its whole part, and what is left goes one by one to those with the largest fraction, of equal
    ones the first; where the shares were too large in sum, the smallest fractions pay it back.

    Raises:
        ValueError: if a share is out of its range, or no such numbers exist.
    """
    if not all(0 <= share <= most for share in shares) or not 0 <= total <= most * len(shares):
        raise ValueError(f"{total} cannot be shared out in shares of 0 to {most}")
    found = [math.floor(share) for share in shares]
    order = sorted(range(len(shares)), key=lambda i: found[i] - shares[i])
    while (left := total - sum(found)) != 0:
        step = 1 if left > 0 else -1
        free = [i for i in (order if left > 0 else reversed(order)) if 0 <= found[i] + step <= most]
        for i in free[: abs(left)]:
            found[i] += step
    return found

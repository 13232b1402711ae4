"""What a chart needs before anything is drawn: numbers on an axis, and which of many points to draw."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

MOST_DECIMALS = 10
"""Beyond these a tick is written with an exponent."""

LARGEST, TINIEST = 1e150, 1e-150
"""Numbers that are larger cannot be drawn, and differences that are smaller are none: beyond them floats run over."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps numbers from ``low`` to ``high`` onto pixels from ``start`` to ``end``. ``whole`` is for what is counted: no ticks lie
    between whole numbers.
    """

    low: float
    high: float
    start: float
    end: float
    whole: bool = False

    def __call__(self, value: float) -> float:
        """Return where ``value`` lies; outside of the range it is set on the edge."""
        # Halved: the difference of two huge numbers is still finite.
        share = (value / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)

    def ticks(self, about: int) -> list[tuple[float, str]]:
        """Return ``about`` so many round numbers in the range, each with its text."""
        step = max(round_step((self.high - self.low) / max(about, 1)), 1.0 * self.whole)
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        values = [place * step + 0.0 for place in range(first, min(last, first + 4 * about) + 1)]
        return list(zip(values, _texts(values, step), strict=True))


def drawable(value: float) -> bool:
    """Return whether a number has a place on an axis: not infinite, not nan, and not beyond `LARGEST`."""
    return abs(value) <= LARGEST


def counted(values: Sequence[float]) -> bool:
    """Return whether all values are whole numbers."""
    return all(float(value).is_integer() for value in values)


def spread(values: Sequence[float], *, margin: float = 0.0) -> tuple[float, float]:
    """Return the range that an axis of ``values`` has, with a ``margin`` (a share of it) on both sides; never empty."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    if high - low <= max(abs(low), abs(high), TINIEST) * 1e-12:  # closer than floats can tell apart when they are drawn
        around = max(abs(low), abs(high)) * 0.05
        return (low - around, high + around) if around > TINIEST else (-0.5, 0.5)
    room = (high - low) * margin
    return low - room, high + room


def round_step(step: float) -> float:
    """Return 1, 2 or 5 times a power of ten, the one nearest to ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return min((factor * power for factor in (1.0, 2.0, 5.0, 10.0)), key=lambda one: abs(math.log(one / step)))


def short(value: float) -> str:
    """Return a number in few characters: 1.5k, 0.25, 3e-07."""
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 1e3:
        return f"{value:.4g}"
    for size, unit in UNITS:
        if size <= abs(value) < 1e15:
            return f"{value / size:.4g}{unit}"
    return f"{value:.3g}"


def _texts(values: Sequence[float], step: float) -> list[str]:
    """Return the texts of ticks that lie ``step`` apart, all with the same number of decimals."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest >= 1e4 and step >= largest / 1e3:
        return [short(value) for value in values]
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > MOST_DECIMALS or largest >= 1e15:
        return [f"{value:.4g}" for value in values]
    return [f"{value:.{decimals}f}" for value in values]


def thinned(points: Sequence[tuple[float, float]], most: int, *, fill: bool = False) -> list[int]:
    """Return the places of at most about ``most`` of ``points``, whose x ascend, that look the same when drawn: of each
    stretch the first, the lowest, the highest and the last. ``fill`` spends half on points at even distances instead, which
    keeps the density of a cloud.
    """
    count = len(points)
    if count <= most:
        return list(range(count))
    stretches = max(1, most // (4 if not fill else 8))
    kept = {0, count - 1}
    for stretch in range(stretches):
        places = range(stretch * count // stretches, (stretch + 1) * count // stretches)
        kept |= {
            places[0],
            places[-1],
            min(places, key=lambda place: points[place][1]),
            max(places, key=lambda place: points[place][1]),
        }
    if fill:
        kept |= set(range(0, count, math.ceil(2 * count / most)))
    return sorted(kept)

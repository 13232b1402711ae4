"""Pictures for artifacts: a few lines, bars or a heat map as one SVG text, with nothing but the standard library.

The same data gives the same text, so an artifact does not change where its evaluation does not.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 34, 46
COLOURS = ("#1f5582", "#c9512d", "#3f8f5b", "#8a5fa8", "#b8860b", "#4f6d7a", "#a83e5c", "#6b8e23")
"""Of the series, in their order; more of them begin again."""


def lines(series: Mapping[str, Sequence[tuple[float, float]]], *, title: str = "", x: str = "", y: str = "") -> str:
    """Return curves through points (x, y), one per name, with a legend. Points that are not finite are left out.

    Args:
        series: name -> points, in the order in which they are to be joined; a single point is drawn as a dot.
        title: what the picture shows.
        x: the horizontal axis and its unit.
        y: the vertical axis and its unit.
    """
    drawn = {
        name: [p for p in points if math.isfinite(p[0]) and math.isfinite(p[1])] for name, points in series.items()
    }
    across = _Axis([p[0] for points in drawn.values() for p in points], LEFT, WIDTH - RIGHT)
    up = _Axis([p[1] for points in drawn.values() for p in points], HEIGHT - BOTTOM, TOP)
    parts = [_grid(across, up, x, y)]
    for index, (name, points) in enumerate(drawn.items()):
        colour = COLOURS[index % len(COLOURS)]
        path = " ".join(f"{across.at(a):.1f},{up.at(b):.1f}" for a, b in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        if len(points) == 1:
            parts.append(f'<circle cx="{path.split(",")[0]}" cy="{path.split(",")[1]}" r="3" fill="{colour}"/>')
        if len(drawn) > 1 or name:
            parts.append(_text(WIDTH - RIGHT - 6, TOP + 14 + 15 * index, name, "end", fill=colour))
    return _svg(title, parts)


def bars(values: Mapping[str, float], *, title: str = "", unit: str = "") -> str:
    """Return horizontal bars from 0, one per name from top to bottom, each with its value. One that is not finite has no bar.

    Args:
        values: name -> length of its bar.
        title: what the picture shows.
        unit: of the values.
    """
    finite = [value for value in values.values() if math.isfinite(value)]
    names = max((len(name) for name in values), default=0)
    left = min(LEFT + 5.5 * names, WIDTH / 2)
    across = _Axis([*finite, 0.0], left, WIDTH - RIGHT - 50)
    height = TOP + 22 * len(values) + BOTTOM
    parts = [_text(across.at(tick), height - BOTTOM + 16, f"{tick:g}") for tick in across.ticks]
    parts.append(_text((left + WIDTH - RIGHT) / 2, height - 10, unit))
    for index, (name, value) in enumerate(values.items()):
        top = TOP + 22 * index
        parts.append(_text(left - 6, top + 14, name, "end"))
        low, high = sorted((across.at(0.0), across.at(value if math.isfinite(value) else 0.0)))
        parts.append(f'<rect x="{low:.1f}" y="{top + 3}" width="{high - low:.1f}" height="16" fill="{COLOURS[0]}"/>')
        parts.append(_text(high + 4, top + 15, f"{value:.4g}", "start"))
    return _svg(title, parts, height)


def heat(rows: Sequence[Sequence[float]], *, title: str = "", x: str = "", y: str = "") -> str:
    """Return a table of numbers as shades, the largest darkest, such as counts of true class (row) and answer."""
    wide = max((len(row) for row in rows), default=1)
    finite = [value for row in rows for value in row if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    side = min((WIDTH - LEFT - RIGHT) / wide, 32.0)
    height = TOP + side * len(rows) + BOTTOM
    parts = [_text(LEFT + side * wide / 2, height - 12, x), _upright(16, TOP + side * len(rows) / 2, y)]
    for i, row in enumerate(rows):
        parts.append(_text(LEFT - 6, TOP + side * (i + 0.5) + 4, str(i), "end"))
        for j, value in enumerate(row):
            shade = (value - low) / (high - low) if math.isfinite(value) and high > low else 0.0
            at = f'x="{LEFT + side * j:.1f}" y="{TOP + side * i:.1f}" width="{side:.1f}" height="{side:.1f}"'
            parts.append(f'<rect {at} fill="{COLOURS[0]}" fill-opacity="{shade:.3f}"/>')
            label = f"{value:.3g}" if side >= 20 else ""
            parts.append(
                _text(
                    LEFT + side * (j + 0.5),
                    TOP + side * (i + 0.5) + 4,
                    label,
                    size=9,
                    fill="#fff" if shade > 0.5 else "#333",
                )
            )
    parts += [_text(LEFT + side * (j + 0.5), height - BOTTOM + 14, str(j)) for j in range(wide)]
    return _svg(title, parts, height)


class _Axis:
    """Where a value lies between two ends of the picture, and which round values lie there."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values, default=0.0), max(values, default=1.0)
        if high <= low:
            low, high = low - (abs(low) or 1.0) / 2, high + (abs(high) or 1.0) / 2
        step = 10.0 ** math.floor(math.log10(high - low))
        step *= next(factor for factor in (0.2, 0.25, 0.5, 1.0, 2.0) if (high - low) / (step * factor) <= 5)
        first = math.ceil(low / step - 1e-9)
        self.ticks = [step * k for k in range(first, math.floor(high / step + 1e-9) + 1)]
        self._low, self._scale, self._begin = low, (end - begin) / (high - low), begin

    def at(self, value: float) -> float:
        return self._begin + (value - self._low) * self._scale


def _grid(across: _Axis, up: _Axis, x: str, y: str) -> str:
    parts = []
    for tick in across.ticks:
        parts.append(f'<path d="M{across.at(tick):.1f},{TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>')
        parts.append(_text(across.at(tick), HEIGHT - BOTTOM + 16, f"{tick:g}"))
    for tick in up.ticks:
        parts.append(f'<path d="M{LEFT},{up.at(tick):.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        parts.append(_text(LEFT - 6, up.at(tick) + 4, f"{tick:g}", "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, x))
    parts.append(_upright(16, (TOP + HEIGHT - BOTTOM) / 2, y))
    return "".join(parts)


def _text(x: float, y: float, text: str, anchor: str = "middle", *, size: int = 11, fill: str = "#333") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}" fill="{fill}">{escape(text)}</text>'
    )


def _upright(x: float, y: float, text: str) -> str:
    return f'<g transform="translate({x:.1f},{y:.1f}) rotate(-90)">{_text(0, 0, text)}</g>'


def _svg(title: str, parts: Sequence[str], height: float = HEIGHT) -> str:
    view = (
        f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" height="{height:.0f}"'
    )
    head = _text(WIDTH / 2, 20, title, size=14)
    return f'<svg {view} font-family="sans-serif"><rect width="100%" height="100%" fill="#fff"/>{head}{"".join(parts)}</svg>'

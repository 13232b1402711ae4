"""Charts as SVG text, drawn on the server without a script.

    chart([Series("best", [(0, 0.9), (40, 1.2)], "step")], title="Score", x="evaluations", y="score")
    bars([Bar("builtin/tune", (12, 3))], title="Attempts", x="attempts", parts=("told", "improved"))

Colours are CSS custom properties with fallbacks (``--series-0`` to ``--series-7``, ``--ink``, ``--faint``, ``--grid``), set as
attributes and never as styles: a page may forbid inline styles, and its dark theme holds here too. What is returned is safe
to put into a page as it stands: every text is escaped, and no link runs a script. `on_paper` adds a background.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from evolve.view.drawing.axes import TINIEST, Scale, counted, drawable, short, spread, thinned
from evolve.view.drawing.svg import (
    FAINT,
    GRID,
    HALO,
    INK,
    SIZE,
    colour,
    cut,
    dash,
    document,
    legend,
    line,
    linked,
    on_paper,
    swatches,
    text,
    tooltip,
    width_of,
)

__all__ = ["Band", "Bar", "Mark", "Series", "bars", "chart", "on_paper"]

MOST_POINTS = 2000
"""Points drawn in one chart; of more, those are left out that would not be seen."""

MOST_DOTS = 100
"""Dots on a curve that are as large as to be seen; more would hide it."""

TOP, BOTTOM, RIGHT, ROW = 14, 44, 18, 20


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together.

    A ``step`` keeps its value until the next point. ``labels`` and ``links``, one per point and empty where there is none, become
    a tooltip and an address; lines and steps show a dot where there is either. Points that are not finite are left out.
    """

    name: str
    points: Sequence[tuple[float, float]]
    kind: Literal["line", "step", "dots"] = "line"
    labels: Sequence[str] = ()
    links: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Band:
    """A shaded stretch between two curves, (x, low, high), such as a confidence interval, in the colour of the series that has
    its name.
    """

    name: str
    edges: Sequence[tuple[float, float, float]]


@dataclass(frozen=True, slots=True)
class Mark:
    """A dashed line at one height, such as a baseline or a target."""

    name: str
    y: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart: ``values`` are set one after the other; ``low`` and ``high`` are an interval around the
    end of the last, ``label`` is what is written beside it instead of the numbers.
    """

    name: str
    values: Sequence[float]
    label: str = ""
    link: str = ""
    low: float | None = None
    high: float | None = None

    @property
    def beside(self) -> str:
        """What is written at its end."""
        return self.label or " + ".join(short(value) for value in self.values)


def chart(
    series: Sequence[Series],
    *,
    title: str,
    x: str,
    y: str,
    width: int = 720,
    height: int = 300,
    log_x: bool = False,
    bands: Sequence[Band] = (),
    marks: Sequence[Mark] = (),
    within: tuple[float, float] | None = None,
) -> Markup:
    """Return a chart of ``series`` as one ``<svg>``.

    Args:
        series: what to draw; the first lie on top.
        title: its name, for readers of the screen and as a tooltip.
        x: what the horizontal axis counts, with its unit.
        y: likewise.
        width: in pixels; narrower places scale it down.
        height: likewise.
        log_x: draw the horizontal axis logarithmically, leaving out what is not positive.
        bands: shaded intervals.
        marks: heights to compare with.
        within: the heights to show; points outside are set on the edge, with their true height in the tooltip,
            and marks outside are left out.
    """
    shown = [_cleaned(one, log_x) for one in series]
    shaded = [replace(one, edges=[edge for edge in one.edges if _visible(edge, log_x)]) for one in bands]
    lines = [mark for mark in marks if drawable(mark.y) and (within is None or within[0] <= mark.y <= within[1])]
    across = [point[0] for one in shown for point in one.points] + [edge[0] for one in shaded for edge in one.edges]
    heights = [point[1] for one in shown for point in one.points] + [mark.y for mark in lines]
    heights += [value for one in shaded for edge in one.edges for value in edge[1:]]
    names = [(place, one.name) for place, one in enumerate(shown) if one.name] if len(shown) > 1 else []
    rows = swatches(names, width - 60 - RIGHT)
    top = TOP + ROW * len(rows)
    down = Scale(*(within or spread(heights, margin=0.06)), height - BOTTOM, top, whole=counted(heights))
    left = 34 + max((width_of(said) for _, said in down.ticks(_about(down.start - top, 44))), default=30)
    dots = any(one.kind == "dots" for one in shown)
    scale = Scale(*spread(across, margin=0.015 * dots, log=log_x), left, width - RIGHT, log_x, counted(across))
    body = legend(rows, left, TOP, ROW)
    if across:
        body += [*_frame(scale, down, x, y), *_layers(shown, shaded, lines, scale, down)]
    else:
        body.append(text(width / 2, height / 2, "nothing to show yet", anchor="middle", fill=FAINT))
    return document(body, title, _described(shown, x, y), width, height)


def bars(
    rows: Sequence[Bar], *, title: str, x: str, parts: Sequence[str] = (), width: int = 720, row: int = 26
) -> Markup:
    """Return horizontal bars as one ``<svg>``, as high as its rows need.

    Args:
        rows: from top to bottom.
        title: its name, for readers of the screen and as a tooltip.
        x: what the bars count, with its unit.
        parts: names of the values of each bar, where there are several.
        width: in pixels.
        row: the height of one bar with the space around it.
    """
    rows = [replace(one, values=[value if drawable(value) else 0.0 for value in one.values]) for one in rows]
    names = swatches(list(enumerate(parts)), width - 40)
    top = TOP + ROW * len(names) - (0 if names else 6)
    bottom = top + row * max(1, len(rows))
    left = min(width * 0.4, 16 + max((width_of(cut(one.name, 40)) for one in rows), default=40))
    room = min(width * 0.3, 16 + max((width_of(cut(one.beside, 40)) for one in rows), default=0))
    ends = [0.0, *(sum(one.values[:count]) for one in rows for count in range(1, len(one.values) + 1))]
    ends += [end for one in rows for end in (one.low, one.high) if end is not None and drawable(end)]
    low, high = spread(ends) if any(ends) else (0.0, 1.0)
    scale = Scale(low + 0.03 * low, high, left, width - room, whole=counted(ends))
    body = legend(names, 16, TOP, ROW)
    for value, said in scale.ticks(_about(width - left - room, 80)):
        body.append(line(scale(value), top, scale(value), bottom, GRID))
        body.append(text(scale(value), bottom + 16, said, anchor="middle", fill=FAINT))
    body.append(text((left + width - room) / 2, bottom + 36, x, anchor="middle", fill=FAINT))
    for place, one in enumerate(rows):
        body += _bar(one, parts, scale, top + row * place, row)
    body.append(line(scale(0.0), top, scale(0.0), bottom, FAINT))
    if not rows:
        body.append(text(width / 2, top + row * 0.65, "nothing to show yet", anchor="middle", fill=FAINT))
    said = "; ".join(f"{cut(one.name, 60)}: {cut(one.beside, 60)}" for one in rows[:40])
    return document(body, title, f"{x}: {said}" if rows else "nothing to show yet", width, bottom + BOTTOM)


def _cleaned(series: Series, log_x: bool) -> Series:
    """Return a series without what cannot be drawn, its points from left to right."""
    kept = [place for place, point in enumerate(series.points) if _visible(point, log_x)]
    kept.sort(key=lambda place: series.points[place][0])
    points = [series.points[place] for place in kept]
    labels, links = (
        [notes[place] if place < len(notes) else "" for place in kept] for notes in (series.labels, series.links)
    )
    return replace(series, points=points, labels=labels, links=links)


def _visible(numbers: Sequence[float], log_x: bool) -> bool:
    """Return whether all numbers of a point can be drawn, and the first positive where its logarithm is taken."""
    return all(drawable(number) for number in numbers) and (not log_x or numbers[0] > TINIEST)


def _about(pixels: float, each: int) -> int:
    """Return how many ticks suit a length."""
    return max(2, round(pixels / each))


def _frame(scale: Scale, down: Scale, x: str, y: str) -> Iterator[str]:
    """Yield grid, axes and what they count."""
    left, right, bottom, top = scale.start, scale.end, down.start, down.end
    for value, said in down.ticks(_about(bottom - top, 44)):
        yield line(left, down(value), right, down(value), GRID)
        yield text(left - 6, down(value) + 4, said, anchor="end", fill=FAINT)
    for value, said in scale.ticks(_about(right - left, 90)):
        yield line(scale(value), bottom, scale(value), bottom + 4, FAINT)
        yield text(scale(value), bottom + 17, said, anchor="middle", fill=FAINT)
    yield line(left, bottom, right, bottom, FAINT)
    yield text((left + right) / 2, bottom + 37, x, anchor="middle", fill=FAINT)
    middle = (bottom + top) / 2
    yield text(14, middle, y, anchor="middle", fill=FAINT, extra=f' transform="rotate(-90 14 {middle:.1f})"')


def _layers(
    series: Sequence[Series], bands: Sequence[Band], marks: Sequence[Mark], scale: Scale, down: Scale
) -> Iterator[str]:
    """Yield what is drawn inside the frame, from the back to the front."""
    places = {one.name: place for place, one in reversed(list(enumerate(series)))}
    for number, band in enumerate(bands):
        if band.edges:
            yield _band(band, scale, down, places.get(band.name, len(series) + number))
    for mark in marks:
        yield line(scale.start, down(mark.y), scale.end, down(mark.y), FAINT, ' stroke-dasharray="4 4"')
    total = max(1, sum(len(one.points) for one in series))
    for place, one in reversed(list(enumerate(series))):
        yield from _drawn(one, place, scale, down, max(20, MOST_POINTS * len(one.points) // total))
    yield from _named(marks, scale, down)


def _band(band: Band, scale: Scale, down: Scale, place: int) -> str:
    """Return a shaded interval."""
    edges = sorted(band.edges)
    if len(edges) > MOST_POINTS:
        edges = edges[:: math.ceil(len(edges) / MOST_POINTS)]
    there = [f"{scale(across):.1f} {down(high):.1f}" for across, _, high in edges]
    back = [f"{scale(across):.1f} {down(low):.1f}" for across, low, _ in reversed(edges)]
    points = " ".join(there + back)
    return f'<polygon points="{points}" fill="{colour(place)}" fill-opacity="0.18">{tooltip(band.name)}</polygon>'


def _named(marks: Sequence[Mark], scale: Scale, down: Scale) -> Iterator[str]:
    """Yield the names of heights to compare with; those that lie close together share a line."""
    close: list[tuple[float, list[str]]] = []
    for mark in sorted(marks, key=lambda mark: -mark.y):
        height = down(mark.y)
        if not close or height - close[-1][0] > SIZE + 2:
            close.append((height, []))
        close[-1][1].append(f"{cut(mark.name, 40)} {short(mark.y)}")
    for height, names in close:
        above = height - 5 >= down.end + SIZE - 8  # there is a little room over the drawing
        yield text(scale.start + 6, height - 5 if above else height + SIZE + 2, " · ".join(names), extra=HALO)


def _drawn(series: Series, place: int, scale: Scale, down: Scale, most: int) -> Iterator[str]:
    """Yield what a series looks like: a curve with a dot at each point that says something, or a cloud of dots."""
    if series.kind == "dots":
        kept, size, opacity = thinned(series.points, most, fill=True), 2.5, 0.6
    else:
        yield _curve(series, place, [(scale(x), down(y)) for x, y in _thinned(series.points, most)])
        noted = [one for one, said in enumerate(zip(series.labels, series.links, strict=True)) if any(said)]
        kept = [noted[one] for one in thinned([series.points[one] for one in noted], most)]
        size, opacity = 3.5 if len(kept) <= MOST_DOTS else 1.5, 1
    yield f'<g fill="{colour(place)}" fill-opacity="{opacity}">'  # said once for all dots
    for one in kept:
        x, y = series.points[one]
        said = series.labels[one] or f"{series.name}: {short(y)} at {short(x)}"
        dot = f'<circle cx="{scale(x):.1f}" cy="{down(y):.1f}" r="{size}">{tooltip(said)}</circle>'
        yield linked(dot, series.links[one])
    yield "</g>"


def _thinned(points: Sequence[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Return about ``most`` of ``points`` that look the same when drawn."""
    return [points[place] for place in thinned(points, most)]


def _curve(series: Series, place: int, places: Sequence[tuple[float, float]]) -> str:
    """Return a line through ``places``, or its steps."""
    to = "H{:.1f}V{:.1f}" if series.kind == "step" else "L{:.1f} {:.1f}"
    path = "".join(("M{:.1f} {:.1f}" if not number else to).format(*point) for number, point in enumerate(places))
    return (
        f'<path d="{path}" fill="none" stroke="{colour(place)}" stroke-width="2" stroke-linejoin="round"{dash(place)}>'
        f"{tooltip(series.name)}</path>"
    )


def _bar(bar: Bar, parts: Sequence[str], scale: Scale, top: float, row: int) -> Iterator[str]:
    """Yield one row: its name, its parts one after the other, its interval and what is written beside it."""
    shapes, middle, sum_ = [], top + row / 2, 0.0
    for place, value in enumerate(bar.values):
        start, end = sorted((scale(sum_), scale(sum_ + value)))
        sum_ += value
        said = f"{bar.name}, {parts[place]}: {short(value)}" if place < len(parts) else f"{bar.name}: {short(value)}"
        shapes.append(
            f'<rect x="{start:.1f}" y="{top + 4:.1f}" width="{end - start:.1f}" height="{row - 8}" fill="{colour(place)}">'
            f"{tooltip(said)}</rect>"
        )
    shapes.append(text(scale.start - 8, middle + 4, cut(bar.name, 40), anchor="end"))
    yield linked("".join(shapes), bar.link)
    reach = max(scale(sum_), scale(0.0))
    if bar.low is not None and bar.high is not None and drawable(bar.low) and drawable(bar.high):
        yield line(scale(bar.low), middle, scale(bar.high), middle, INK, ' stroke-width="1.5"')
        for end in (bar.low, bar.high):
            yield line(scale(end), middle - 4, scale(end), middle + 4, INK, ' stroke-width="1.5"')
        reach = max(reach, scale(bar.high))
    yield text(reach + 6, middle + 4, cut(bar.beside, 40), fill=FAINT)


def _described(series: Sequence[Series], x: str, y: str) -> str:
    """Return in words what a chart shows, for who cannot see it."""
    said = [f"{y} against {x}."]
    for one in series[:20]:
        if not one.points:
            said.append(f"{one.name or 'the points'}: none yet.")
            continue
        heights = [point[1] for point in one.points]
        said.append(
            f"{one.name or 'the points'}: {len(heights)} points, {short(min(heights))} to {short(max(heights))}, "
            f"the last {short(heights[-1])}."
        )
    return " ".join(said)

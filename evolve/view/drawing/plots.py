"""Charts as SVG text, drawn on the server without a script.

    chart([Series("best", [(0, 0.9), (40, 1.2)], "step")], title="Score", x="evaluations", y="score")
    bars([Bar("builtin/tune", 12)], title="Attempts", x="attempts")

Colours are CSS custom properties with fallbacks (``--series-0`` to ``--series-7``, ``--ink``, ``--faint``, ``--grid``), set as
attributes and never as styles: a page may forbid inline styles, and its dark theme holds here too. What is returned is safe
to put into a page as it stands: every text is escaped, and no link runs a script. `on_paper` adds a background.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from markupsafe import Markup

from evolve.view.drawing.axes import Scale, counted, drawable, short, spread, thinned
from evolve.view.drawing.svg import (
    FAINT,
    GRID,
    HALO,
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

__all__ = ["Bar", "Mark", "Series", "bars", "chart", "on_paper"]

MOST_POINTS = 2000
"""Points drawn in one chart; of more, those are left out that would not be seen."""

MOST_DOTS = 100
"""Dots on a curve that are as large as to be seen; more would hide it."""

TOP, BOTTOM, RIGHT, ROW = 14, 44, 18, 20
WIDTH, BAR = 720, 26
"""Of a drawing, and the height of one bar with the space around it: pixels."""


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
class Mark:
    """A dashed line at one height, such as a baseline or a target."""

    name: str
    y: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One row of a bar chart."""

    name: str
    value: float


def chart(
    series: Sequence[Series],
    *,
    title: str,
    x: str,
    y: str,
    width: int = WIDTH,
    height: int = 300,
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
        marks: heights to compare with.
        within: the heights to show; points outside are set on the edge, with their true height in the tooltip,
            and marks outside are left out.
    """
    shown = [_cleaned(one) for one in series]
    lines = [mark for mark in marks if drawable(mark.y) and (within is None or within[0] <= mark.y <= within[1])]
    across = [point[0] for one in shown for point in one.points]
    heights = [point[1] for one in shown for point in one.points] + [mark.y for mark in lines]
    names = [(place, one.name) for place, one in enumerate(shown) if one.name] if len(shown) > 1 else []
    rows = swatches(names, width - 60 - RIGHT)
    top = TOP + ROW * len(rows)
    down = Scale(*(within or spread(heights, margin=0.06)), height - BOTTOM, top, whole=counted(heights))
    left = 34 + max((width_of(said) for _, said in down.ticks(_about(down.start - top, 44))), default=30)
    dots = any(one.kind == "dots" for one in shown)
    scale = Scale(*spread(across, margin=0.015 * dots), left, width - RIGHT, counted(across))
    body = legend(rows, left, TOP, ROW)
    if across:
        body += [*_frame(scale, down, x, y), *_layers(shown, lines, scale, down)]
    else:
        body.append(text(width / 2, height / 2, "nothing to show yet", anchor="middle", fill=FAINT))
    return document(body, title, _described(shown, x, y), width, height)


def bars(rows: Sequence[Bar], *, title: str, x: str) -> Markup:
    """Return horizontal bars as one ``<svg>``, as high as its rows need.

    Args:
        rows: from top to bottom.
        title: its name, for readers of the screen and as a tooltip.
        x: what the bars count, with its unit.
    """
    rows = [replace(one, value=one.value if drawable(one.value) else 0.0) for one in rows]
    top = TOP - 6
    bottom = top + BAR * max(1, len(rows))
    left = min(WIDTH * 0.4, 16 + max((width_of(cut(one.name, 40)) for one in rows), default=40))
    room = min(WIDTH * 0.3, 16 + max((width_of(short(one.value)) for one in rows), default=0))
    ends = [0.0, *(one.value for one in rows)]
    low, high = spread(ends) if any(ends) else (0.0, 1.0)
    scale = Scale(low + 0.03 * low, high, left, WIDTH - room, whole=counted(ends))
    body: list[str] = []
    for value, said in scale.ticks(_about(WIDTH - left - room, 80)):
        body.append(line(scale(value), top, scale(value), bottom, GRID))
        body.append(text(scale(value), bottom + 16, said, anchor="middle", fill=FAINT))
    body.append(text((left + WIDTH - room) / 2, bottom + 36, x, anchor="middle", fill=FAINT))
    for place, one in enumerate(rows):
        body += _bar(one, scale, top + BAR * place)
    body.append(line(scale(0.0), top, scale(0.0), bottom, FAINT))
    if not rows:
        body.append(text(WIDTH / 2, top + BAR * 0.65, "nothing to show yet", anchor="middle", fill=FAINT))
    said = "; ".join(f"{cut(one.name, 60)}: {short(one.value)}" for one in rows[:40])
    return document(body, title, f"{x}: {said}" if rows else "nothing to show yet", WIDTH, bottom + BOTTOM)


def _cleaned(series: Series) -> Series:
    """Return a series without what cannot be drawn, its points from left to right."""
    kept = [place for place, point in enumerate(series.points) if all(map(drawable, point))]
    kept.sort(key=lambda place: series.points[place][0])
    points = [series.points[place] for place in kept]
    labels, links = (
        [notes[place] if place < len(notes) else "" for place in kept] for notes in (series.labels, series.links)
    )
    return replace(series, points=points, labels=labels, links=links)


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


def _layers(series: Sequence[Series], marks: Sequence[Mark], scale: Scale, down: Scale) -> Iterator[str]:
    """Yield what is drawn inside the frame, from the back to the front."""
    for mark in marks:
        yield line(scale.start, down(mark.y), scale.end, down(mark.y), FAINT, ' stroke-dasharray="4 4"')
    total = max(1, sum(len(one.points) for one in series))
    for place, one in reversed(list(enumerate(series))):
        yield from _drawn(one, place, scale, down, max(20, MOST_POINTS * len(one.points) // total))
    yield from _named(marks, scale, down)


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


def _bar(bar: Bar, scale: Scale, top: float) -> Iterator[str]:
    """Yield one row: its name, its bar, and the number beside it."""
    middle = top + BAR / 2
    start, end = sorted((scale(0.0), scale(bar.value)))
    said = tooltip(f"{bar.name}: {short(bar.value)}")
    yield (
        f'<rect x="{start:.1f}" y="{top + 4:.1f}" width="{end - start:.1f}" height="{BAR - 8}" fill="{colour(0)}">{said}</rect>'
    )
    yield text(scale.start - 8, middle + 4, cut(bar.name, 40), anchor="end")
    yield text(end + 6, middle + 4, short(bar.value), fill=FAINT)


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

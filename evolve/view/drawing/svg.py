"""The pieces that charts are made of, as SVG text: every text escaped, every colour a custom property with a fallback."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from markupsafe import Markup

COLOURS = ("#1f5582", "#c4511d", "#2e7d4f", "#8e4585", "#a07208", "#23808f", "#b23a48", "#5d6470")
DASHES = ("", "6 3", "2 3", "8 3 2 3")
"""What tells series apart once every colour was used."""

INK, FAINT, GRID = "var(--ink, #222)", "var(--faint, #667)", "var(--grid, #ddd)"
HALO = ' stroke="var(--paper, #fff)" stroke-width="3" paint-order="stroke"'
"""Keeps a text readable that lies on a drawing."""

SIZE = 12
"""Of letters, in pixels."""

LONGEST = 300
"""Characters of a tooltip; names are cut far earlier."""

UNPRINTABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML cannot hold."""

HARMLESS = re.compile(r"https?://|[/?#.]|[\w%~-]+(?:[./?#]|$)")
"""How a link may begin: no scheme but http, so that no click runs a script."""


def colour(place: int) -> str:
    """Return the colour of the series at ``place``."""
    return f"var(--series-{place % len(COLOURS)}, {COLOURS[place % len(COLOURS)]})"


def dash(place: int) -> str:
    """Return the attribute that dashes the line of the series at ``place``, empty while there are colours."""
    dashes = DASHES[place // len(COLOURS) % len(DASHES)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def safe(value: str) -> str:
    """Return ``value`` as text or attribute of an SVG file: escaped, without what XML cannot hold."""
    return escape(UNPRINTABLE.sub("\ufffd", value))


def cut(value: str, most: int) -> str:
    """Return the beginning of ``value``, marked where it goes on."""
    return value if len(value) <= most else f"{value[: most - 1]}…"


def width_of(value: str) -> float:
    """Return about how wide a text is, in pixels: wide letters of other scripts count twice."""
    return sum(SIZE * (0.56 if ord(letter) < 0x1100 else 1.0) for letter in value)


def text(x: float, y: float, value: str, *, anchor: str = "start", fill: str = INK, extra: str = "") -> str:
    """Return a line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}"{extra}>{safe(value)}</text>'


def line(x: float, y: float, to_x: float, to_y: float, stroke: str, extra: str = "") -> str:
    """Return a straight line."""
    return f'<line x1="{x:.1f}" y1="{y:.1f}" x2="{to_x:.1f}" y2="{to_y:.1f}" stroke="{stroke}"{extra}/>'


def tooltip(value: str) -> str:
    """Return what is shown where the pointer rests."""
    return f"<title>{safe(cut(value, LONGEST))}</title>"


def linked(shape: str, link: str) -> str:
    """Return ``shape``, as a link if ``link`` is a harmless one. It is no stop of the Tab key: a cloud has thousands, and the
    page lists them beside it.
    """
    return f'<a href="{safe(link)}" tabindex="-1">{shape}</a>' if HARMLESS.match(link) else shape


def swatches(names: Sequence[tuple[int, str]], width: float) -> list[list[tuple[float, int, str]]]:
    """Return a legend in rows no wider than ``width``: where each entry begins, the place of its series, and its name."""
    rows: list[list[tuple[float, int, str]]] = []
    at = width
    for place, name in names:
        shown = cut(name, 40)
        needed = 34 + width_of(shown)
        if at + needed > width or not rows:
            rows.append([])
            at = 0.0
        rows[-1].append((at, place, shown))
        at += needed
    return rows


def legend(rows: Sequence[Sequence[tuple[float, int, str]]], left: float, top: float, row: float) -> list[str]:
    """Draw the rows of `swatches`."""
    drawn = []
    for number, entries in enumerate(rows):
        y = top + row * number
        for at, place, name in entries:
            drawn.append(line(left + at, y, left + at + 16, y, colour(place), f' stroke-width="4"{dash(place)}'))
            drawn.append(text(left + at + 21, y + 4, name))
    return drawn


def document(body: Sequence[str], title: str, described: str, width: int, height: float) -> Markup:
    """Return the whole picture, with a name and a description for readers of the screen."""
    return Markup(
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 {width} {height:.0f}" '
        f'width="{width}" height="{height:.0f}" font-family="system-ui, sans-serif" font-size="{SIZE}">'
        f"{tooltip(title)}<desc>{safe(cut(described, 4000))}</desc>{''.join(body)}</svg>"
    )


def on_paper(svg: str) -> Markup:
    """Return a picture with a background of its own, for where there is no page around it: a file, a notebook."""
    head, rest = svg.split(">", 1)
    return Markup(f'{head}><rect width="100%" height="100%" fill="var(--paper, #fff)"/>{rest}')

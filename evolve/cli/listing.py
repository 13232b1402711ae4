"""How listings look: tables in colour on a terminal, aligned plain text in a pipe, JSON when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import click

Cell = str | int | float | None

UNKNOWN = "unknown"
"""What stands for dollars that nobody can count, since a price is not known; never 0."""


def emit_json(value: object) -> None:
    """Print ``value`` as JSON; floats keep their full precision."""
    from evolve.archive.export import plain

    click.echo(json.dumps(plain(value), indent=2, allow_nan=False))


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str) -> None:
    """Print rows under their column names, or the sentence ``empty`` where there are none."""
    if not rows:
        click.echo(empty)
        return
    cells = [[text(cell) for cell in row] for row in rows]
    right = [
        all(row[at] == UNKNOWN or isinstance(row[at], int | float | None) for row in rows) for at in range(len(columns))
    ]
    if sys.stdout.isatty():
        _emit_rich(columns, cells, right)
        return
    widths = [max(len(row[at]) for row in [list(columns), *cells]) for at in range(len(columns))]
    for row in [list(columns), *cells]:
        line = (
            cell.rjust(width) if flush else cell.ljust(width)
            for cell, width, flush in zip(row, widths, right, strict=True)
        )
        click.echo("  ".join(line).rstrip())


def emit_code(code: str, path: str) -> None:
    """Print source code, highlighted on a terminal."""
    if not sys.stdout.isatty():
        click.echo(code, nl=not code.endswith("\n"))
        return
    from rich.console import Console
    from rich.syntax import Syntax

    Console().print(Syntax(code, Syntax.guess_lexer(path, code), theme="ansi_dark", word_wrap=True))


def emit_diff(lines: Sequence[str]) -> None:
    """Print the lines of a unified diff, coloured on a terminal."""
    colours = {"+": "green", "-": "red", "@": "cyan"}
    for line in lines:
        click.echo(click.style(line, fg=colours.get(line[:1]), bold=line.startswith(("+++ ", "--- "))))


def text(cell: Cell) -> str:
    """Return what a table shows: a number in full, nothing for None, the first line of a text."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        return repr(cell)
    return next(iter(str(cell).splitlines()), "")


def short(words: str, width: int = 90) -> str:
    """Return the first line of ``words``, or the last of a traceback, cut to ``width`` characters."""
    lines = words.strip().splitlines() or [""]
    line = lines[-1 if lines[0].startswith("Traceback") else 0].strip()
    return line if len(line) <= width else line[: width - 1] + "…"


def metrics(values: dict[str, Any]) -> str:
    """Return metrics in one line."""
    return "  ".join(f"{name}={value:.6g}" for name, value in values.items())


def several(number: int, noun: str, plural: str) -> str:
    """Return a number of things in words."""
    return f"{number} {noun if number == 1 else plural}"


def dollars(amount: float | None) -> Cell:
    """Return an amount of dollars for a table."""
    return UNKNOWN if amount is None else round(amount, 6)


def moment(seconds: float | None) -> str:
    """Return a time in the reader's own time zone."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M")


def span(seconds: float | None) -> str:
    """Return a duration for reading."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _emit_rich(columns: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]) -> None:
    """Print a table on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, (name, flush) in enumerate(zip(columns, right, strict=True)):
        table.add_column(name, justify="right" if flush else "left", overflow="fold", no_wrap=at == 0)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    Console().print(table)

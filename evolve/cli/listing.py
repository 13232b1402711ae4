"""How listings look: tables in colour on a terminal, aligned plain text in a pipe, JSON when asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import click

Cell = str | int | float | None

UNKNOWN = "unknown"
"""What stands for dollars that nobody can count, since a price is not known; never 0."""


def emit_json(value: object) -> None:
    """Print ``value`` as JSON; floats keep their full precision."""
    from evolve.archive.values import plain

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


def dollars(amount: float | None) -> Cell:
    """Return an amount of dollars for a table."""
    return UNKNOWN if amount is None else round(amount, 6)


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

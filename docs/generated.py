"""Fills in what the package itself knows, when the site is built: a hook of MkDocs, named in mkdocs.yml.

Where a page holds `<!-- verbs -->` or `<!-- settings -->`, that becomes the help of the command line, or the tables of settings.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import click
from pydantic import BaseModel

from evolve.cli import main
from evolve.config import Config, describe

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

WIDTH = 100
"""Characters in a line of help."""
COLOURS = {"": "default", '[data-bs-theme="dark"] ': "github-dark"}
"""Pygments' styles of code, by what stands before their selectors."""


def on_files(files: Files, *, config: MkDocsConfig) -> Files:
    """Add the colours of code, which the theme would load from another host."""
    from mkdocs.structure.files import File
    from pygments.formatters.html import HtmlFormatter

    rules = [HtmlFormatter(style=style).get_style_defs(f"{place}.highlight") for place, style in COLOURS.items()]
    files.append(File.generated(config, "pygments.css", content="\n".join(rules)))
    return files


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the marks of a page."""
    parts: dict[str, Callable[[], str]] = {"<!-- verbs -->": verbs, "<!-- settings -->": settings}
    for mark, text in parts.items():
        if mark in markdown:
            markdown = markdown.replace(mark, text())
    return markdown


def verbs() -> str:
    """Return the help of `evolve` and of each verb, as a terminal shows it."""
    context = click.Context(main, info_name="evolve", terminal_width=WIDTH, **main.context_settings)
    parts = ["## evolve", "", "```text", main.get_help(context), "```", ""]
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        if command is not None:
            inner = click.Context(command, info_name=name, parent=context, terminal_width=WIDTH)
            parts += [f"## evolve {name}", "", "```text", command.get_help(inner), "```", ""]
    return "\n".join(parts)


def settings() -> str:
    """Return a table of settings for each table that evolve.toml may have."""
    rows = sorted(describe(), key=lambda row: "." in row[0])  # those of no table come first in a file of TOML
    parts = []
    for table, group in groupby(rows, key=lambda row: row[0].rpartition(".")[0]):
        title = f"`[{table}]`" if table else "Of no table"
        parts += [f"## {title}", "", model(table).__doc__ or "", "", *_table(group), ""]
    return "\n".join(parts)


def _table(rows: Iterable[tuple[str, str, Any]]) -> list[str]:
    lines = ["| setting | default | what it is |", "|---|---|---|"]
    for name, text, default in rows:
        words = ", ".join(f"`{word}`" for word in choices(name))
        what = " ".join(text.replace("``", "`").replace("|", "\\|").split())
        value = "" if default is None else f"`{json.dumps(default)}`"
        lines.append(f"| `{name.rpartition('.')[2]}` | {value} | {what}{f' One of {words}.' if words else ''} |")
    return lines


def model(table: str) -> type[BaseModel]:
    """Return the model of a table, such as `budget` or `models.NAME`; that of all settings for no name."""
    found: type[BaseModel] = Config
    for part in table.removesuffix(".NAME").split(".") if table else ():
        annotation = found.model_fields[part].annotation
        kinds = (annotation, *get_args(annotation))
        found = next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel))
    return found


def choices(name: str) -> tuple[str, ...]:
    """Return the words among which a setting chooses, none where it is another kind."""
    table, _, last = name.rpartition(".")
    annotation = model(table).model_fields[last].annotation
    return next((get_args(one) for one in (annotation, *get_args(annotation)) if get_origin(one) is Literal), ())

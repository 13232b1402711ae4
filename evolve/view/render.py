"""Renders ``templates/*.j2``: everything is escaped, a name that is not given is an error."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from evolve.phrases import moment, span


def number(value: float | None) -> str:
    """Return a number for reading: six digits, nothing for None."""
    return "" if value is None else f"{value:.6g}"


def exact(value: float | None) -> Markup:
    """Return a number for reading with all its digits in a tooltip."""
    return (
        Markup("")
        if value is None
        else Markup('<span class="number" title="{}">{}</span>').format(repr(value), number(value))
    )


def signed(value: float | None) -> str:
    """Return a difference with its sign."""
    return "" if value is None else f"{value:+.4g}"


def dollars(value: float | None) -> str:
    """Return dollars; unknown ones are said to be, never 0."""
    return "unknown" if value is None else f"${value:.4f}"


def size(value: float | None) -> str:
    """Return bytes for reading."""
    if value is None:
        return ""
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:.3g} GiB"


@cache
def environment() -> Environment:
    """Return the templates with what they may call."""
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        number=number, exact=exact, signed=signed, dollars=dollars, size=size, moment=moment, span=span,
        part=lambda text: quote(str(text), safe=""),
    )  # fmt: skip
    return found


def render(template: str, values: Mapping[str, Any]) -> str:
    """Return a page."""
    return environment().get_template(template).render(values)

"""The options that several verbs take."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from evolve.cli import completion

F = TypeVar("F", bound=Callable[..., Any])

database_option = click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="EVOLVE_DB",
    default="evolve.db",
    show_default=True,
    help="The archive.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON; numbers keep their full precision.")
run_option = click.option("--run", shell_complete=completion.runs, help="The run (default: the newest).")


def count_option(default: int) -> Callable[[F], F]:
    """Return the option that says how many rows to list."""
    return click.option(
        "-n", "--count", type=click.IntRange(min=1), default=default, show_default=True, help="How many to list."
    )


def together(*decorators: Callable[[F], F]) -> Callable[[F], F]:
    """Return one decorator that adds several options, in this order."""

    def decorate(function: F) -> F:
        for decorator in reversed(decorators):
            function = decorator(function)
        return function

    return decorate

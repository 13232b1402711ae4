"""The command ``evolve``: thin verbs over the package. Nothing heavy is imported until a verb needs it."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from evolve import __version__
from evolve.errors import EvolveError

VERBS = {
    "tasks": "task", "new": "task", "check": "check", "config": "task",
    "run": "run", "resume": "run", "replay": "run",
    "runs": "archive", "best": "archive", "show": "archive", "diff": "archive", "lineage": "archive", "search": "archive",
    "failures": "archive", "spend": "archive", "export": "archive",
    "view": "view", "report": "report",
    "pause": "steer", "stop": "steer", "hint": "steer",
    "models": "models", "doctor": "doctor", "completion": "completion",
}  # fmt: skip
"""Each verb and the module of this package that holds it, in the order of the help."""


class Verbs(click.Group):
    """Loads a verb's module when the verb is called, and turns an `EvolveError` into a sentence and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs, in the order in which a user meets them."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the verb called ``name``."""
        if name not in VERBS:
            return None
        commands: tuple[click.Command, ...] = import_module(f"evolve.cli.{VERBS[name]}").VERBS
        return next(command for command in commands if command.name == name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Name the nearest verb for an unknown one."""
        from difflib import get_close_matches

        near = get_close_matches(args[0], VERBS, n=1)
        if args[0] not in VERBS and near and not args[0].startswith("-"):
            ctx.fail(f"No such command {args[0]!r}; did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except EvolveError as error:
            click.echo(f"evolve: {error}", err=True)
            sys.exit(error.exit_code)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(130)


HELP = """Evolve programs overnight; find an archive of better ones in the morning.

\b
evolve run math/circle_packing                      search with the built-in arms, which need no key
evolve run math/circle_packing --model gpt-5-mini   and with a model, or several
evolve best                                         the best program of the newest run
evolve new mytask                                   a task of your own
"""


@click.group(cls=Verbs, help=HELP, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="evolve")
def main() -> None:
    """Run the command line."""

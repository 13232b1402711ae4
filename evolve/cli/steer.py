"""The verbs that speak to a run which goes on in another process: pause, stop, hint."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli import completion
from evolve.cli.archive import opened
from evolve.cli.listing import emit_json, emit_table
from evolve.cli.options import database_option, json_option, run_option
from evolve.phrases import moment, short

if TYPE_CHECKING:
    from evolve.archive import Archive
    from evolve.archive.commands import Command, CommandKind

PATIENCE = 5.0
"""Seconds to wait for the run's driver to act: it looks at least once a second, unless it waits for a judge."""


@click.command()
@click.argument("run", required=False, shell_complete=completion.runs)
@click.option("--off", is_flag=True, help="Let the run go on.")
@database_option
@json_option
def pause(run: str | None, off: bool, db: Path, as_json: bool) -> None:
    """Pause RUN (the newest if not named): what is at the judge ends, nothing new begins, its clock stands still."""
    with opened(db) as archive:
        _ask(archive, run, "continue" if off else "pause", as_json)


@click.command()
@click.argument("run", required=False, shell_complete=completion.runs)
@database_option
@json_option
def stop(run: str | None, db: Path, as_json: bool) -> None:
    """Stop RUN (the newest if not named) as Ctrl-C would: what is under way ends first; `evolve resume` goes on with it."""
    with opened(db) as archive:
        _ask(archive, run, "stop", as_json)


@click.command()
@click.argument("text", required=False)
@click.option("--withdraw", type=int, metavar="ID", help="Take the hint ID back.")
@run_option
@database_option
@json_option
def hint(text: str | None, withdraw: int | None, run: str | None, db: Path, as_json: bool) -> None:
    """Tell the models of a run TEXT, in every prompt from now on; without TEXT, list the hints in force."""
    if text is not None and withdraw is not None:
        raise click.UsageError("give a TEXT or --withdraw, not both")
    with opened(db) as archive:
        info = archive.run(run)
        name = info.name
        if text is not None:
            archive.command(name, "hint", text, "command line")
        if withdraw is not None:
            archive.command(name, "withdraw", str(withdraw), "command line")
        hints = archive.hints(name)
    if as_json:
        emit_json([asdict(one) for one in hints])
        return
    emit_table(
        ("id", "hint", "given", "by"),
        [(one.id, short(one.text, 100), moment(one.given_at), one.origin) for one in hints],
        f"run {name} has no hint in force",
    )
    if hints and not info.asks:
        click.echo("the run asks no model, and nothing else reads hints", err=True)


def _ask(archive: Archive, run: str | None, kind: CommandKind, as_json: bool) -> None:
    """Ask something of a run, wait a little for its driver, and say what became of it."""
    name = archive.run(run).name
    id = archive.command(name, kind, origin="command line")
    command = _outcome(archive, name, id)
    if as_json:
        emit_json(asdict(command))
    elif command.taken_at is None:
        click.echo(
            f"run {name}: asked to {kind}; its driver has not answered yet, as while it waits for a judge; "
            "`evolve runs` shows the run's state"
        )
    else:
        click.echo(f"run {name}: {command.outcome}")


def _outcome(archive: Archive, run: str, id: int) -> Command:
    """Return a command, if possible after the run's driver has acted on it."""
    end = time.monotonic() + PATIENCE
    while True:
        command = next(one for one in archive.commands(run) if one.id == id)
        if command.taken_at is not None or time.monotonic() > end:
            return command
        time.sleep(0.1)


VERBS = (pause, stop, hint)

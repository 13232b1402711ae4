"""The verb that writes a report."""

from __future__ import annotations

from pathlib import Path

import click

from evolve.cli import completion
from evolve.cli.archive import opened
from evolve.cli.listing import emit_json
from evolve.cli.options import database_option
from evolve.errors import ConfigError


@click.command()
@click.argument("run", required=False, shell_complete=completion.runs)
@click.option(
    "--out",
    type=click.Path(path_type=Path, allow_dash=True),
    help="The file to write, - for standard output (default: RUN-report.html; Markdown goes to standard output).",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown"]),
    default="html",
    show_default=True,
    help="One HTML file that opens without a network, or a short text for a README or a pull request.",
)
@database_option
@click.option("--json", "as_json", is_flag=True, help="Print the facts as JSON instead.")
def report(run: str | None, out: Path | None, form: str, db: Path, as_json: bool) -> None:
    """Tell all of RUN (the newest if not named) in one file.

    The best program and how it came about, what it compares with, what it cost, what failed, what is doubtful, and the commands
    that make it again.
    """
    from evolve.view.report import Report

    with opened(db) as archive:
        found = Report.of(archive, run)
    if as_json:
        emit_json(found.plain())
        return
    text = found.html() if form == "html" else found.markdown()
    place = out or Path(f"{found.facts.run.name}-report.html" if form == "html" else "-")
    if str(place) == "-":
        click.echo(text, nl=False)
        return
    try:
        place.write_text(text, "utf-8")
    except OSError as error:
        raise ConfigError(f"{place}: cannot be written: {error.strerror}") from None
    click.echo(str(place))


VERBS: tuple[click.Command, ...] = (report,)
"""What the command line takes from this module."""

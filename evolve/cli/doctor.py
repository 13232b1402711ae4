"""The verb ``doctor``: what this machine confines candidates with, and what is open at each level."""

from __future__ import annotations

import json

import click

from evolve.cli.options import json_option


@click.command()
@json_option
def doctor(as_json: bool) -> None:
    """Attempt the attacks that a candidate could make, at every isolation level, and tell which got through."""
    from evolve.jail.doctor import examine

    report = examine()
    if as_json:
        click.echo(json.dumps(report.to_json(), indent=2))
        return
    click.echo(f"Python {report.python} at {report.interpreter}, {report.kernel}, user {report.user}\n")
    for finding in report.levels:
        state = "pass" if finding.passed else "fail" if not finding.available else "open"
        mark = "*" if finding.level == report.chosen.level else " "
        click.secho(
            f"{mark} {finding.level:<11} {state:<5} {finding.integrity:<13} {', '.join(finding.layers)}",
            bold=mark == "*",
        )
        if finding.why:
            click.echo(f"    {finding.why}")
        for leak in finding.open:
            click.echo(f"    a candidate can {leak.what}: {leak.achieved}")
    click.echo(f"\nRuns here use {report.chosen.level} (*): scores are {report.chosen.integrity}.")
    for advice in report.install:
        click.echo(f"To make it stronger: {advice}")
    click.echo(f"\nGPUs that can be leased: {len(report.gpus.devices) or 'none'} ({report.gpus.how})")
    for device in report.gpus.devices:
        click.echo(f"  {device.uuid}  {device.name}, {device.memory / 2**30:.1f} GiB")
    if report.gpus.missing:
        click.echo(f"No jail can use them: {report.gpus.missing}")


VERBS = (doctor,)

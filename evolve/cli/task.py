"""``evolve tasks``, ``new`` and ``config``: what a user looks up before a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from evolve.records import Task

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@as_json_option
def tasks(as_json: bool) -> None:
    """List the tasks that come with the package."""
    from evolve import task as loader

    rows = [(name, loader.load(root)) for name, root in loader.library().items()]
    if as_json:
        click.echo(json.dumps([_described(name, task) for name, task in rows], indent=2))
        return
    for name, task in rows:
        click.echo(f"{name:32} {task.language:8} {task.score.direction}  {task.brief.splitlines()[0]}")


def _described(name: str, task: Task) -> dict[str, Any]:
    sign = task.score.sign
    known = max(task.baselines, key=lambda baseline: sign * baseline.score, default=None)
    return {
        "name": name,
        "brief": task.brief,
        "language": task.language,
        "direction": task.score.direction,
        "unit": task.score.unit,
        "packages": list(task.packages),
        "best_known": None if known is None else {"name": known.name, "score": known.score, "source": known.source},
    }


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
def new(folder: Path) -> None:
    """Make FOLDER a working task, to be changed into your own."""
    from evolve.errors import TaskError
    from evolve.skeleton import write

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TaskError(f"{folder}: exists and is not empty; give a new name")
    for path in write(folder):
        click.echo(f"wrote {path}")
    click.echo(f"next: evolve check {folder} · evolve run {folder}")


@click.command()
@as_json_option
def config(as_json: bool) -> None:
    """List every setting with its default; set one with --set NAME=VALUE, in evolve.toml, or in the task's folder."""
    from evolve.config import describe

    if as_json:
        rows = [{"name": name, "help": text, "default": default} for name, text, default in describe()]
        click.echo(json.dumps(rows, indent=2))
        return
    for name, text, default in describe():
        click.echo(f"{name:32} {json.dumps(default):8}  {' '.join(text.split())}")


VERBS = (tasks, new, config)

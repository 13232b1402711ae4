"""``evolve tasks``, ``new`` and ``config``: what a user looks up before a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli.listing import Cell, short
from evolve.skeleton import DEFAULT, templates, write

if TYPE_CHECKING:
    from evolve.records import Task

as_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@as_json_option
def tasks(as_json: bool) -> None:
    """List the tasks that come with the package: what they cost, what they need, and what is known to be reached."""
    from evolve import task as loader
    from evolve.cli.listing import emit_table
    from evolve.needs import commands, needs

    rows = [_described(name, loader.load(root)) for name, root in loader.library().items()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    emit_table(COLUMNS, [_cells(row) for row in rows], "there are no tasks")
    wanted = [need for root in loader.library().values() for need in needs(loader.load(root)) if need.version is None]
    missing = {need.requirement: need for need in wanted}
    for command in commands(list(missing.values())):
        click.echo(f"missing: {command}")


COLUMNS = ("task", "variants", "CPU s: screen", "evaluate", "needs", "best known", "brief")


def _cells(row: dict[str, Any]) -> list[Cell]:
    """Return a task's row for a person."""
    best = row["best_known"]
    needs = [need["name"] + ("" if need["installed"] else " (missing)") for need in row["needs"]]
    needs += ["GPU"] if row["gpu"] else []
    variants = [name + (" (GPU)" if variant["gpu"] else "") for name, variant in row["variants"].items()]
    known = "" if best is None else f"{best['score']:.6g} {'↑' if row['direction'] == 'maximize' else '↓'}"
    cost = row["cost"]
    brief = short(row["brief"], 60)
    return [row["name"], ", ".join(variants), cost["screen"], cost["evaluate"], ", ".join(needs), known, brief]


def _described(name: str, task: Task) -> dict[str, Any]:
    from evolve import task as loader
    from evolve.needs import commands, needs

    known = max(task.baselines, key=lambda baseline: task.score.sign * baseline.score, default=None)
    wanted = needs(task)
    variants = {variant: loader.load(f"{task.root}@{variant}") for variant in task.variants}
    return {
        "name": name,
        "domain": name.partition("/")[0],
        "brief": task.brief,
        "language": task.language,
        "direction": task.score.direction,
        "unit": task.score.unit,
        "variants": {name: {"gpu": one.resources.gpus > 0, "cost": asdict(one.cost)} for name, one in variants.items()},
        "cost": asdict(task.cost),
        "gpu": task.resources.gpus > 0,
        "packages": list(task.packages),
        "needs": [
            {"name": need.name, "requirement": need.requirement, "installed": need.version is not None,
             "version": need.version, "hidden": need.hidden}
            for need in wanted
        ],
        "install": commands([need for need in wanted if need.version is None]),
        "best_known": None if known is None else {"name": known.name, "score": known.score, "source": known.source},
    }  # fmt: skip


@click.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--template",
    type=click.Choice(list(templates())),
    default=DEFAULT,
    show_default=True,
    help="What kind of task: one function, several files, C++, learning, timing, several objectives, improve and perturb.",
)
def new(folder: Path, template: str) -> None:
    """Make FOLDER a working task, to be changed into your own."""
    from evolve.errors import TaskError

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TaskError(f"{folder}: exists and is not empty; give a new name")
    for path in write(folder, template):
        click.echo(f"wrote {path}")
    click.echo(f"next: evolve check {folder} --references · evolve run {folder}")


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

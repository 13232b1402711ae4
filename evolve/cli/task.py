"""``evolve tasks``, ``new`` and ``config``: what a user looks up before a run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli.listing import Cell, text
from evolve.cli.options import json_option
from evolve.phrases import short
from evolve.skeleton import DEFAULT, templates, write

if TYPE_CHECKING:
    from evolve.records import Task


@click.command()
@json_option
def tasks(as_json: bool) -> None:
    """List the tasks that come with the package: what they cost, what they need, and what is known to be reached.

    `evolve run TASK@VARIANT` takes a variant; `evolve check TASK --references` judges the programs that are known. CPU s are
    the processor seconds of a screen and of an evaluation on all its seeds, once the judge has its data ready.
    """
    from evolve import task as loader
    from evolve.cli.listing import emit_table
    from evolve.needs import commands, needs

    rows = [_described(name, loader.load(root)) for name, root in loader.library().items()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    cells = [_cells(row) for row in rows]
    if sys.stdout.isatty():
        cells = _fitting(cells, shutil.get_terminal_size().columns)
    emit_table(COLUMNS[: len(cells[0]) if cells else None], cells, "there are no tasks")
    wanted = [need for root in loader.library().values() for need in needs(loader.load(root)) if need.version is None]
    missing = {need.requirement: need for need in wanted}
    for command in commands(list(missing.values())):
        click.echo(f"missing: {command}")


COLUMNS = ("task", "variants", "CPU s: screen", "evaluate", "best known", "needs", "brief")
NARROW = 20
"""Columns of a terminal below which the start of a brief says nothing."""


def _cells(row: dict[str, Any]) -> list[Cell]:
    """Return a task's row for a person."""
    best = row["best_known"]
    beside = [need for need in row["needs"] if need["name"] != "numpy"]  # which evolve itself brings
    needs = [need["name"] + ("" if need["installed"] else " (missing)") for need in beside]
    needs += ["GPU"] if row["gpu"] else []
    variants = [name + (" (GPU)" if variant["gpu"] else "") for name, variant in row["variants"].items()]
    known = "" if best is None else f"{best['score']:.6g} {'↑' if row['direction'] == 'maximize' else '↓'}"
    cost = row["cost"]
    names, brief = ", ".join(variants), short(row["brief"], 60)
    return [row["name"], names, cost["screen"], cost["evaluate"], known, ", ".join(needs), brief]


def _fitting(rows: Sequence[list[Cell]], width: int) -> list[list[Cell]]:
    """Return rows whose last cell is cut to what a terminal has left; without it where that is next to nothing."""
    most = [max(len(name), *(len(text(row[at])) for row in rows)) + 2 for at, name in enumerate(COLUMNS[:-1])]
    left = width - sum(most)
    return [row[:-1] if left < NARROW else [*row[:-1], short(str(row[-1]), left)] for row in rows]


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
        "seeds": task.stages.repeats,
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
@json_option
def config(as_json: bool) -> None:
    """List every setting with its default; set one with --set NAME=VALUE, in evolve.toml, or in the task's folder."""
    from evolve.config import describe

    if as_json:
        rows = [{"name": name, "help": words, "default": default} for name, words, default in describe()]
        click.echo(json.dumps(rows, indent=2))
        return
    for name, words, default in describe():
        click.echo(f"{name:32} {json.dumps(default):8}  {' '.join(words.split())}")


VERBS = (tasks, new, config)

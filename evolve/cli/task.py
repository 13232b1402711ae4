"""``evolve tasks``, ``new``, ``check`` and ``config``: what a user does before a run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from evolve.cli.run import LEVELS

if TYPE_CHECKING:
    from evolve.foreign import About
    from evolve.records import Evaluation, Task

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
@click.argument("task")
@click.option(
    "--program", type=click.Path(exists=True, path_type=Path), help="Judge this file or folder, not the seed."
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="The seed given to evaluate().")
@click.option("--isolation", type=click.Choice(LEVELS), default="auto", show_default=True, help="The least isolation.")
@click.option("--artifacts", type=click.Path(file_okay=False, path_type=Path), help="Write the judge's artifacts here.")
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    help="Say also what asking this model would cost, without asking it (repeatable).",
)
@click.option(
    "--evaluations", type=click.IntRange(min=1), default=150, show_default=True, help="Of the run to be estimated."
)
@as_json_option
def check(task: str, program: Path | None, seed: int, isolation: str, artifacts: Path | None, models: tuple[str, ...],
          evaluations: int, as_json: bool) -> None:  # fmt: skip
    """Judge TASK's seed program, or a program of yours, as a run would; exit with 1 if it has no score."""
    from evolve import foreign
    from evolve import task as loader
    from evolve.errors import EvolveError
    from evolve.estimate import Estimate, Refused, estimated
    from evolve.executor import evaluate_once
    from evolve.jail import choose
    from evolve.records import Evaluation
    from evolve.secrets import load_environment

    estimates: list[Estimate | Refused] = []
    about: About | None = None
    try:
        load_environment()
        loaded = loader.load(task)
        about = foreign.about(loaded) if loaded.foreign else None
        sources = loader.read_program(loaded, program) if program else loaded.initial
        seen = evaluate_once(loaded, sources, seed, choose(isolation))
        estimates = [estimated(loaded, sources, seen, model) for model in models]
    except EvolveError as error:
        if not as_json:
            raise
        seen = Evaluation("judge_error", error=str(error))
    if artifacts is not None:
        artifacts.mkdir(parents=True, exist_ok=True)
        for artifact in seen.artifacts:
            (artifacts / Path(artifact.name).name).write_bytes(artifact.data)
    if as_json:
        costs = {"models": [estimate.plain(evaluations) for estimate in estimates]} if models else {}
        peer = {"foreign": about.plain()} if about else {}
        click.echo(json.dumps(_plain(seen) | costs | peer))
    else:
        lines = [_sheet(seen, loaded), *(about.lines() if about else ())]
        click.echo("\n".join([*lines, *(estimate.line(evaluations) for estimate in estimates)]))
    sys.exit(0 if seen.status == "ok" else 1)


def _plain(seen: Evaluation) -> dict[str, Any]:
    return {
        "status": seen.status,
        "score": seen.score,
        "metrics": dict(seen.metrics),
        "seconds": seen.seconds,
        "cpu_seconds": seen.cpu_seconds,
        "memory": seen.memory,
        "isolation": seen.isolation,
        "isolation_reason": seen.isolation_reason,
        "integrity": seen.integrity,
        "feedback": seen.feedback,
        "error": seen.error,
        "output": seen.output,
        "log": seen.log,
        "artifacts": [artifact.name for artifact in seen.artifacts],
    }


def _sheet(seen: Evaluation, task: Task) -> str:
    """Return what a person wants to know of an evaluation, a line each."""
    unit = f" {task.score.unit}" if task.score.unit else ""
    reason = f" ({seen.isolation_reason})" if seen.isolation_reason else ""
    used = f", {seen.cpu_seconds:.3f} s of CPU" if seen.cpu_seconds is not None else ""
    used += f", {seen.memory / 2**20:.0f} MiB at most" if seen.memory is not None else ""
    lines = [f"status      {seen.status}"]
    if seen.score is not None:
        lines.append(f"score       {seen.score!r}{unit} ({task.score.direction})")
    lines += [f"metric      {name} = {value!r}" for name, value in seen.metrics.items()]
    lines.append(f"seconds     {seen.seconds:.3f}{used}")
    lines.append(f"isolation   {seen.isolation}{reason}, integrity {seen.integrity}")
    for name, text in (("feedback", seen.feedback), ("error", seen.error), ("output", seen.output), ("log", seen.log)):
        if text.strip():
            lines.append(f"{name:12}" + text.strip().replace("\n", "\n            "))
    lines += [
        f"artifact    {artifact.name} ({artifact.mime}, {len(artifact.data)} bytes)" for artifact in seen.artifacts
    ]
    return "\n".join(lines)


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


VERBS = (tasks, new, check, config)

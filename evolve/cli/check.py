"""``evolve check``: judges one program, as a run would, and says all that the judge saw; or a task's references, and the task."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from evolve.cli import completion
from evolve.cli.options import json_option
from evolve.cli.run import LEVELS
from evolve.phrases import several

if TYPE_CHECKING:
    from evolve.foreign import About
    from evolve.records import Evaluation, Task


@click.command()
@click.argument("task", shell_complete=completion.tasks)
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
    shell_complete=completion.models,
    help="Say also what asking this model would cost, without asking it (repeatable).",
)
@click.option(
    "--evaluations", type=click.IntRange(min=1), default=150, show_default=True, help="Of the run to be estimated."
)
@click.option(
    "--references",
    is_flag=True,
    help="Judge the seed program and all references; exit with 1 where records do not hold.",
)
@click.option(
    "--lint", is_flag=True, help="Look for what is wrong with the task itself; exit with 1 where that is an error."
)
@click.option("--seeds", type=click.IntRange(min=1), help="With these two: judge on so many seeds, not the task's own.")
@click.option(
    "--tune",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --references: each one tuned as well, for N evaluations.",
)
@click.option(
    "--random",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --references: random search as well, for N evaluations.",
)
@click.option(
    "--db",
    type=click.Path(dir_okay=False, path_type=Path),
    help="With --tune and --random: the archive that keeps these searches; given again, they go on where they were cut off.",
)
@json_option
def check(task: str, program: Path | None, seed: int, isolation: str, artifacts: Path | None, models: tuple[str, ...],
          evaluations: int, references: bool, lint: bool, seeds: int | None, tune: int | None, random: int | None,
          db: Path | None, as_json: bool) -> None:  # fmt: skip
    """Judge TASK's seed program, or a program of yours, as a run would; exit with 1 unless it has a score, also by `validate`."""
    from evolve.errors import EvolveError

    _refuse(references, lint, seeds, searches=bool(tune or random), db=db)
    if references or lint:
        try:
            sys.exit(_survey(task, program, isolation, seeds, tune, random, db, table=references, as_json=as_json))
        except EvolveError as error:
            if not as_json:
                raise
            click.echo(json.dumps({"error": str(error)}))
            sys.exit(1)
    from evolve import foreign
    from evolve import task as loader
    from evolve.archive.export import write_artifacts
    from evolve.estimate import Estimate, Refused, estimated
    from evolve.evaluator import has_validate
    from evolve.executor import evaluate_once
    from evolve.jail import choose
    from evolve.needs import require
    from evolve.records import Evaluation
    from evolve.secrets import load_environment

    estimates: list[Estimate | Refused] = []
    about: About | None = None
    held_out: Evaluation | None = None
    try:
        load_environment()
        loaded = loader.load(task)
        require(loaded)
        about = foreign.about(loaded) if loaded.foreign else None
        sources = loader.read_program(loaded, program) if program else loaded.initial
        if sys.stderr.isatty():  # the judge may have to train what it compares with first
            click.echo(f"judging on {several(max(1, loaded.stages.repeats), 'seed', 'seeds')} …", err=True)
        seen = evaluate_once(loaded, sources, seed, choose(isolation))
        if seen.score is not None and has_validate(loaded):
            held_out = evaluate_once(loaded, sources, seed, choose(isolation), "validate")
        estimates = [estimated(loaded, sources, seen, model) for model in models]
    except EvolveError as error:
        if not as_json:
            raise
        seen = Evaluation("judge_error", error=str(error))
    if artifacts is not None:
        write_artifacts(seen.artifacts, artifacts)
    if as_json:
        costs = {"models": [estimate.plain(evaluations) for estimate in estimates]} if models else {}
        peer = {"foreign": about.plain()} if about else {}
        held = {"validate": _plain(held_out)} if held_out else {}
        click.echo(json.dumps(_plain(seen) | held | costs | peer))
    else:
        lines = [_sheet(seen, held_out, loaded), *(about.lines() if about else ())]
        click.echo("\n".join([*lines, *(estimate.line(evaluations) for estimate in estimates)]))
    sys.exit(0 if {one.status for one in (seen, held_out) if one is not None} == {"ok"} else 1)


def _refuse(references: bool, lint: bool, seeds: int | None, *, searches: bool, db: Path | None) -> None:
    """Refuse options that would do nothing.

    Raises:
        click.UsageError: if there is one.
    """
    if searches and not references:
        raise click.UsageError("--tune and --random go with --references")
    if seeds and not (references or lint):
        raise click.UsageError("--seeds goes with --references and --lint")
    context = click.get_current_context()
    for name in ("seed", "artifacts", "models", "evaluations") if references or lint else ():
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE:
            option = next(one for one in context.command.params if one.name == name)
            raise click.UsageError(f"{option.opts[0]} does nothing with --references and --lint")
    if db and not searches:
        raise click.UsageError("--db goes with --tune and --random: there is no search to keep")


def _survey(
    task: str,
    program: Path | None,
    isolation: str,
    seeds: int | None,
    tune: int | None,
    random: int | None,
    db: Path | None,
    *,
    table: bool,
    as_json: bool,
) -> int:
    """Judge a task's references and look at the task; return the exit code."""
    from evolve import lint, references
    from evolve import task as loader
    from evolve.cli import survey as sheet
    from evolve.jail import choose
    from evolve.needs import require
    from evolve.secrets import load_environment
    from evolve.survey import Measured

    load_environment()
    loaded, progress = loader.load(task), sheet.Progress()
    require(loaded)
    rows = references.programs(loaded)
    if program is not None:
        rows.append(Measured(str(program), loader.read_program(loaded, program), asked=True))
    confinement = choose(isolation)
    found = references.survey(loaded, rows, confinement, seeds=seeds, tell=progress)
    found = references.further(found, confinement, tune=tune or 0, random=random or 0, db=db, tell=progress)
    findings = lint.findings(found, confinement, progress)
    progress.clear()
    if as_json:
        click.echo(json.dumps(sheet.plain(found, findings), indent=2))
    else:
        sheet.emit(found, findings, table)
    held = found.reproduced or not table
    held &= not any(row.asked and row.failed for row in found.rows)
    return 0 if held and not any(finding.level == "error" for finding in findings) else 1


def _plain(seen: Evaluation) -> dict[str, Any]:
    return {
        "status": seen.status,
        "score": seen.score,
        "metrics": dict(seen.metrics),
        "screen": seen.screen,
        "repeats": [asdict(repeat) for repeat in seen.repeats],
        "seconds": seen.seconds,
        "cpu_seconds": seen.cpu_seconds,
        "memory": seen.memory,
        "isolation": seen.isolation,
        "isolation_reason": seen.isolation_reason,
        "integrity": seen.integrity,
        "fresh": seen.fresh,
        "gpus": list(seen.gpus),
        "feedback": seen.feedback,
        "error": seen.error,
        "output": seen.output,
        "log": seen.log,
        "artifacts": [artifact.name for artifact in seen.artifacts],
    }


def _sheet(seen: Evaluation, held_out: Evaluation | None, task: Task) -> str:
    """Return what a person wants to know of an evaluation, a line each; ``held_out`` is what ``validate`` gave."""
    from evolve.evaluator import seedless

    unit = f" {task.score.unit}" if task.score.unit else ""
    reason = f" ({seen.isolation_reason})" if seen.isolation_reason else ""
    used = f", {seen.cpu_seconds:.3f} s of CPU in the jail" if seen.cpu_seconds is not None else ""
    used += f", {seen.memory / 2**20:.0f} MiB at most" if seen.memory is not None else ""
    lines = [f"status      {seen.status}"]
    if seen.score is not None:
        lines.append(f"score       {seen.score!r}{unit} ({task.score.direction})")
    if seen.repeats:
        spread = f", {min(one.score for one in seen.repeats)!r} to {max(one.score for one in seen.repeats)!r}"
        lines.append(f"seeds       {len(seen.repeats)}{spread}")
    if unheard := seedless(task):
        lines.append(f"note        {unheard}")
    if seen.screen is not None:
        lines.append(f"screen      {seen.screen!r}")
    if held_out is not None:
        lines.append(f"validate    {_held_out(held_out, seen, task)}")
    lines += [f"metric      {name} = {value!r}" for name, value in seen.metrics.items()]
    lines.append(f"seconds     {seen.seconds:.3f}{used}")
    lines.append(f"isolation   {seen.isolation}{reason}, integrity {seen.integrity}" + _process(seen))
    lines += [f"gpu         {uuid}" for uuid in seen.gpus]
    for name, text in (("feedback", seen.feedback), ("error", seen.error), ("output", seen.output), ("log", seen.log)):
        if text.strip():
            lines.append(f"{name:12}" + text.strip().replace("\n", "\n            "))
    lines += [
        f"artifact    {artifact.name} ({artifact.mime}, {len(artifact.data)} bytes)" for artifact in seen.artifacts
    ]
    return "\n".join(lines)


def _process(seen: Evaluation) -> str:
    """Return where the candidate's process came from."""
    return "" if seen.fresh is None else ", forked from a warm jail" if seen.fresh == "fork" else ", in a cold jail"


def _held_out(held_out: Evaluation, seen: Evaluation, task: Task) -> str:
    """Return what ``validate`` gave beside the score."""
    if held_out.score is None or seen.score is None:
        return f"{held_out.status}: {held_out.error}"
    return f"{held_out.score!r}, a gap of {task.score.sign * (seen.score - held_out.score):.6g}"


VERBS = (check,)

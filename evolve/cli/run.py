"""``evolve run``, ``resume`` and ``replay``."""

from __future__ import annotations

import json
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from evolve.cli import completion
from evolve.cli.options import database_option, together
from evolve.records import Level

if TYPE_CHECKING:
    from evolve.session import Session

LEVELS = ("auto", *get_args(Level))


budget_options = together(
    click.option(
        "--evaluations",
        type=click.IntRange(min=1),
        help="Stop after this many candidates were judged, in all sittings together (500 if a run is given no budget).",
    ),
    click.option(
        "--usd", type=click.FloatRange(min=0, min_open=True), help="Pay models no more than this many dollars."
    ),
    click.option(
        "--tokens", type=click.IntRange(min=1), help="Ask models for no more tokens, prompts and replies together."
    ),
    click.option(
        "--hours", type=click.FloatRange(min=0, min_open=True), help="Stop after this wall time, summed over sessions."
    ),
    click.option("--target", type=float, help="Stop when the champion's score reaches this."),
    click.option("--patience", type=click.IntRange(min=1), help="Stop after this many evaluations without a new best."),
)
place_options = together(
    database_option,
    click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line."),
)
how_options = together(
    click.option("--workers", type=click.IntRange(min=1), help="Calls of models at the same time (4)."),
    click.option(
        "--slots",
        type=click.IntRange(min=1),
        help="Candidates judged at the same time (by the processors).",
    ),
    click.option(
        "--isolation",
        type=click.Choice(LEVELS),
        help="The least isolation that will do (auto: the strongest that passes its self-test).",
    ),
    click.option(
        "--executor",
        type=click.Choice(["local", "inline"]),
        help="local: jailed processes. inline: this very process, unprotected; for tests.",
    ),
    click.option(
        "--track",
        type=click.Choice(["wandb"]),
        multiple=True,
        help="Keep a record there too, as W&B's own settings say (repeatable; a resume goes on with it).",
    ),
    click.option(
        "--set",
        "settings",
        multiple=True,
        metavar="KEY=VALUE",
        shell_complete=completion.settings,
        help="Any setting, such as search.islands=4 (see `evolve config`).",
    ),
)


@click.command()
@click.argument("task", shell_complete=completion.tasks)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.models,
    help="Ask this model too: gpt-5-mini, ollama/NAME, openai/NAME@URL, cmd:COMMAND, or a [models] table (repeatable).",
)
@budget_options
@how_options
@click.option(
    "--arm",
    "arms",
    multiple=True,
    metavar="NAME[=WEIGHT]",
    shell_complete=completion.arms,
    help="Of the arms without a model use only these: builtin/tune …, or MODULE:NAME for an operator of yours (repeatable); "
    "builtin/tune=0 for models alone.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, (1 << 63) - 1),
    help="The source of every random choice (drawn and stored if not given).",
)
@click.option("--name", help="The run's name in the archive.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A TOML file of settings (./evolve.toml if it is there).",
)
@click.option(
    "--from",
    "start_from",
    multiple=True,
    metavar="RUN|FILE",
    shell_complete=completion.runs_or_files,
    help="Start from the best programs of a run, or from a program, too.",
)
@click.option(
    "--replay-from",
    metavar="RUN",
    shell_complete=completion.runs,
    help="Answer requests equal to recorded ones of RUN from there, at no cost.",
)
@place_options
def run(task: str, models: tuple[str, ...], arms: tuple[str, ...], seed: int | None, name: str | None, config: Path | None,
        start_from: tuple[str, ...], settings: tuple[str, ...], db: Path, as_json: bool, **flags: Any) -> None:  # fmt: skip
    """Evolve programs for TASK: a folder, or a name that `evolve tasks` lists; TASK@VARIANT for a variant of it."""
    from evolve.config import merge
    from evolve.config import settings as parse_settings
    from evolve.session import created, options

    layers = merge(options(**flags), {"arms": _weights(arms)} if arms else {}, parse_settings(settings))
    with created(
        task,
        flags=layers,
        models=models,
        config=config,
        seed=seed,
        name=name,
        db=db,
        start_from=start_from,
    ) as session:
        code = _search(session, as_json)
    sys.exit(code)


@click.command()
@click.argument("run", required=False, shell_complete=completion.runs)
@budget_options
@how_options
@place_options
def resume(run: str | None, settings: tuple[str, ...], db: Path, as_json: bool, **flags: Any) -> None:
    """Go on with RUN, or with the newest that is not done; a larger budget may be given."""
    from evolve.config import merge
    from evolve.config import settings as parse_settings
    from evolve.session import options, reopened

    with reopened(run, db=db, flags=merge(options(**flags), parse_settings(settings))) as session:
        code = _search(session, as_json)
    sys.exit(code)


@click.command()
@click.argument("run", required=False, shell_complete=completion.runs)
@place_options
def replay(run: str | None, db: Path, as_json: bool) -> None:
    """Lead RUN (the newest if not named) through the search again from what was recorded, judging nothing, and compare."""
    from evolve import task as tasks
    from evolve.archive import Archive
    from evolve.errors import ArchiveError
    from evolve.replay import replay as lead

    with Archive(db, create=False) as archive:
        info = archive.run(run)
        if not info.task_path:
            raise ArchiveError(
                f"run {info.name} was made by evolve.optimize or evolve check, and its task is not stored; it cannot be replayed"
            )
        found = lead(archive, info.name, tasks.load(info.task_path))
    if as_json:
        click.echo(
            json.dumps(
                {
                    "run": info.name,
                    "attempts": found.attempts,
                    "evaluations": found.evaluations,
                    "differences": found.differences,
                }
            )
        )
    else:
        for difference in found.differences[:50]:
            click.echo(difference)
        verdict = f"{len(found.differences)} differences" if found.differences else "identical"
        led = f"{found.attempts} attempts and {found.evaluations} evaluations led through again, none judged"
        click.echo(f"{info.name}: {led}: {verdict}")
    sys.exit(1 if found.differences else 0)


def _weights(arms: tuple[str, ...]) -> dict[str, float]:
    """Return the weights that ``--arm NAME[=WEIGHT]`` arguments give."""
    weights = {}
    for arm in arms:
        name, equals, weight = arm.partition("=")
        try:
            weights[name] = float(weight) if equals else 1.0
        except ValueError:
            raise click.BadParameter(f"{arm!r}: the weight is no number; write NAME=0.5", param_hint="--arm") from None
    return weights


def _search(session: Session, as_json: bool) -> int:
    """Drive a session to its end under the eyes of the user, say what came of it, and return the exit code."""
    from evolve.archive.values import plain
    from evolve.evaluator import seedless
    from evolve.session import INTERRUPTED
    from evolve.watch import clock, paid, watch

    loop, info = session.loop, session.info
    if not as_json:
        confined = session.confinement
        reason = f" ({confined.reason})" if confined.reason else ""
        click.echo(f"run {info.name}: task {session.task.name}, seed {info.seed}, best so far {loop.budget.best!r}")
        integrity = "same-process" if session.task.foreign else confined.integrity
        click.echo(f"isolation {confined.level}{reason}, integrity {integrity}, {loop.executor.slots} slots")
        if unheard := seedless(session.task):
            click.echo(unheard)
        if loop.calls.paces:
            click.echo(f"models {', '.join(loop.calls.paces)}; {session.config.workers} workers")
        if session.lost:
            click.echo(
                f"{session.lost} calls were under way when the run was cut off; each counts at its most: evolve spend"
            )
    start = _seed_score(session)
    try:
        with watch(loop, as_json=as_json, stream=sys.stdout) as observer:
            reason = session.evolve([observer])
    except KeyboardInterrupt:
        loop.drain(INTERRUPTED)
        session.reason = INTERRUPTED
        click.echo(f"\nstopped at once; nothing that was drafted is lost: evolve resume {info.name}", err=True)
        return 130
    best = session.archive.best(1, info.name)[0]
    sign = session.task.score.sign
    found, screening = session.archive.verdict(info.name, best.digest), session.archive.screening(info.name)
    improved = start is None or (best.score is not None and sign * best.score > sign * start)
    if as_json:
        end = {
            "event": "end",
            "run": info.name,
            "reason": reason,
            "best": best.score,
            "id": best.id,
            "evaluations": loop.budget.evaluations,
            "dollars": loop.budget.dollars,
            "tokens": loop.budget.tokens,
            "champion": None if found is None else found.plain(),
            "screening": None if screening is None else asdict(screening),
        }
        click.echo(json.dumps(plain(end)))
    else:
        costs = f", {paid(loop)}" if loop.calls.paces else ""
        click.echo(
            f"{reason}, after {clock(loop.budget.seconds)}{costs}. Best {best.score!r} (seed {start!r}): program {best.id}"
        )
        if found is not None and found.notable:
            click.echo(f"{best.id} {found.words}")
        if screening is not None:
            click.echo(f"screen: {screening.words}")
        click.echo(f"next: evolve show {best.id} · evolve diff {best.id} · evolve report · evolve view")
        click.echo(_further(session), nl=False)
    if reason == INTERRUPTED:
        return 130
    return 0 if improved or loop.draining else 3


def _further(session: Session) -> str:
    """Return a line on how to find more, where the run was cut short or its arms make nothing new of the programs there are."""
    task, loop = session.task, session.loop
    if loop.draining:
        return f"to go on: evolve resume {session.info.name}\n"
    if not loop.budget.exhausted:
        return ""
    programs = [one for one in task.baselines if one.program and not one.program.startswith("initial")]
    best = max(programs, key=lambda one: task.score.sign * one.score, default=None)
    other = "PROGRAM" if best is None else shlex.quote(str(task.root / str(best.program)))
    return f"to find more: ask a model (--model NAME), or start from another program as well (--from {other})\n"


def _seed_score(session: Session) -> float | None:
    seeds = session.archive.seeds(session.info.name)
    return seeds[0][0].score if seeds else None


VERBS = (run, resume, replay)

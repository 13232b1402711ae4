"""The verbs that ask the archive: runs, best, show, diff, lineage, search, failures, spend, export."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from evolve.cli import completion
from evolve.cli.listing import emit_code, emit_diff, emit_json, emit_table
from evolve.cli.options import count_option, database_option, json_option, run_option
from evolve.errors import ArchiveError
from evolve.phrases import metrics, moment, short, span

if TYPE_CHECKING:
    from evolve.archive import Archive
    from evolve.records import Program


def opened(db: Path) -> Archive:
    """Open an archive that must exist."""
    from evolve.archive import Archive

    return Archive(db, create=False)


@click.command()
@database_option
@json_option
def runs(db: Path, as_json: bool) -> None:
    """List all runs, the newest first."""
    with opened(db) as archive:
        found = archive.runs()
    if as_json:
        emit_json([asdict(info) for info in found])
        return
    emit_table(
        ("run", "state", "evaluations", "best", "direction", "spent", "begun", "reason"),
        [
            (
                i.name,
                i.state,
                i.evaluations,
                i.best,
                i.direction,
                span(i.seconds),
                moment(i.created),
                short(i.reason, 60),
            )
            for i in found
        ],
        f"{db} holds no run yet; start one with `evolve run TASK`",
    )


@click.command()
@count_option(10)
@run_option
@database_option
@json_option
def best(count: int, run: str | None, db: Path, as_json: bool) -> None:
    """List the best programs of a run."""
    from evolve.archive.values import summary
    from evolve.cli.showing import standing

    with opened(db) as archive:
        info = archive.run(run)
        programs = archive.best(count, info.name)
        verdicts = [archive.verdict(info.name, program.digest) for program in programs]
        champion, screening = archive.champion(info.name), archive.screening(info.name)
    if as_json:
        emit_json(
            [
                {**summary(info.name, program), "champion": None if found is None else found.plain()}
                for program, found in zip(programs, verdicts, strict=True)
            ]
        )
        return
    emit_table(
        ("id", "score", "arm", "operator", "attempt", "parent", "standing", "metrics"),
        [
            (
                p.id,
                p.score,
                p.arm,
                p.operator,
                p.number,
                _parent(p),
                standing(found, champion),
                metrics(dict(p.metrics)),
            )
            for p, found in zip(programs, verdicts, strict=True)
        ],
        f"run {info.name!r} has no program with a score yet; `evolve failures --run {info.name}` says why attempts ended",
    )
    if screening is not None:
        click.echo(f"screen: {screening.words}")


@click.command()
@click.argument("id", required=False, shell_complete=completion.programs)
@click.option(
    "--attempt",
    type=click.IntRange(min=1),
    metavar="N",
    help="Show attempt N of the run, as `evolve failures` numbers them, also if no program came of it.",
)
@click.option("--code", "code_only", is_flag=True, help="Print the code alone, to redirect into a file.")
@click.option("--prompt", is_flag=True, help="Print what the model was asked for it.")
@click.option("--replies", is_flag=True, help="Print what the model answered, and the calls that failed.")
@run_option
@database_option
@json_option
def show(id: str | None, attempt: int | None, code_only: bool, prompt: bool, replies: bool, run: str | None, db: Path,
         as_json: bool) -> None:  # fmt: skip
    """Show the program ID (default: the best of the run): score, origin, cost, what the judge saw, code."""
    from evolve.cli import showing

    if attempt is not None and (id is not None or code_only):
        raise click.UsageError("--attempt N takes the place of a program's ID, and shows what code there is by itself")
    with opened(db) as archive:
        if attempt is None:
            name, program = _chosen(archive, id, run)
            number = program.number
        else:
            name, number = archive.run(run).name, attempt
            tried = archive.attempt(name, number)
        if code_only:
            emit_code(program.code, _first_path(program))
        elif as_json:
            said = showing.conversation(archive, name, number, prompt=prompt, replies=replies)
            known = (
                showing.described(archive, name, program)
                if attempt is None
                else showing.described_attempt(archive, name, tried)
            )
            emit_json({**known, **said})
        elif prompt or replies:
            showing.print_conversation(archive, name, number, prompt=prompt, replies=replies)
        elif attempt is None:
            showing.print_program(archive, archive.run(name), program)
        else:
            showing.print_attempt(archive, name, tried)


@click.command()
@click.argument("id", shell_complete=completion.programs)
@click.argument("other", required=False, shell_complete=completion.programs)
@run_option
@database_option
@json_option
def diff(id: str, other: str | None, run: str | None, db: Path, as_json: bool) -> None:
    """Show how program ID differs from its parent, or how OTHER differs from ID."""
    from evolve.archive.values import unified

    with opened(db) as archive:
        name, first = archive.find(id, run)
        if other is not None:
            old, new = first, archive.find(other, run)[1]
        elif first.parent is not None:
            old, new = archive.program(name, first.parent), first
        else:
            raise ArchiveError(
                f"{first.id} is a program that run {name!r} started from, so it has no parent; give two ids"
            )
    changed = unified(old, new)
    if as_json:
        files = {path: "\n".join(lines) for path, lines in changed.items()}
        emit_json({"from": old.id, "to": new.id, "scores": [old.score, new.score], "files": files})
        return
    if not changed:
        click.echo(f"{old.id} and {new.id} have the same text")
    for lines in changed.values():
        emit_diff(lines)


@click.command()
@click.argument("id", shell_complete=completion.programs)
@run_option
@database_option
@json_option
def lineage(id: str, run: str | None, db: Path, as_json: bool) -> None:
    """List the program ID and its ancestors, back to where the run started."""
    from evolve.archive.values import summary
    from evolve.cli.showing import change

    with opened(db) as archive:
        name, program = archive.find(id, run)
        line = archive.lineage(name, program.digest)
    if as_json:
        emit_json([summary(name, ancestor) for ancestor in line])
        return
    changes = [change(child, parent) for child, parent in zip(line, [*line[1:], None], strict=True)]
    emit_table(
        ("id", "score", "change", "arm", "operator", "attempt", "generation"),
        [(p.id, p.score, by, p.arm, p.operator, p.number, p.generation) for p, by in zip(line, changes, strict=True)],
        "",
    )


@click.command()
@click.argument("text", nargs=-1, required=True)
@count_option(20)
@click.option("--run", shell_complete=completion.runs, help="The run (default: all).")
@database_option
@json_option
def search(text: tuple[str, ...], count: int, run: str | None, db: Path, as_json: bool) -> None:
    """Find programs whose code, note or feedback has every word of TEXT (`conv*` finds beginnings)."""
    from evolve.archive.values import summary

    with opened(db) as archive:
        hits = archive.search(" ".join(text), run, count)
    if as_json:
        emit_json([{**summary(hit.run, hit.program), "where": hit.where, "text": hit.text} for hit in hits])
        return
    emit_table(
        ("run", "id", "score", "where", "text"),
        [(hit.run, hit.program.id, hit.program.score, hit.where, short(hit.text)) for hit in hits],
        f"no program matches {' '.join(text)!r}; whole words are matched, `word*` finds beginnings",
    )


@click.command()
@count_option(20)
@run_option
@database_option
@json_option
def failures(count: int, run: str | None, db: Path, as_json: bool) -> None:
    """List the latest attempts that ended early or failed in the judge, and why; `evolve show --attempt N` shows one."""
    with opened(db) as archive:
        info = archive.run(run)
        found = archive.failures(info.name, count)
    if as_json:
        emit_json([asdict(failure) for failure in found])
        return
    emit_table(
        ("attempt", "how", "id", "arm", "operator", "reason"),
        [(f.number, f.how, f.id, f.arm, f.operator, short(f.reason)) for f in found],
        f"nothing failed in run {info.name!r}",
    )


@click.command()
@click.option(
    "--by",
    type=click.Choice(["arm", "purpose"]),
    default="arm",
    show_default=True,
    help="List arms, or the calls of each by what they were for.",
)
@run_option
@database_option
@json_option
def spend(by: str, run: str | None, db: Path, as_json: bool) -> None:
    """List what each arm of a run cost, and which rest or ended; `uncertain` is the most that calls may have cost whose end
    nobody saw.
    """
    from evolve.cli.spending import by_arm, by_purpose, notes, with_states

    with opened(db) as archive:
        name = archive.run(run).name
        states = archive.arm_states(name)
        if as_json:
            found = archive.spend(name) if by == "arm" else archive.reply_spend(name)
            emit_json(with_states(found, states))
            return
        if by == "arm":
            emit_table(*by_arm(archive.spend(name)), f"run {name!r} has spent nothing yet")
        else:
            emit_table(*by_purpose(archive.reply_spend(name)), f"run {name!r} has asked no model")
        for note in notes(states):
            click.echo(note)


@click.command()
@click.argument("run", required=False, shell_complete=completion.runs)
@click.option("--to", required=True, type=click.Path(path_type=Path), help="A folder, or a file that ends in .db.")
@click.option("-n", "--count", type=click.IntRange(min=1), default=10, show_default=True, help="How many programs.")
@database_option
@json_option
def export(run: str | None, to: Path, count: int, db: Path, as_json: bool) -> None:
    """Write the best programs of RUN into a folder, or the whole run into a database of its own."""
    from evolve.archive.export import DATABASES, write_database, write_folder

    with opened(db) as archive:
        if to.suffix in DATABASES:
            name = write_database(archive, run, to)
            if as_json:
                emit_json({"run": name, "to": str(to)})
            else:
                click.echo(f"run {name} is now in {to}; look at it with `evolve best --db {to}`")
            return
        index = write_folder(archive, run, to, count)
    if as_json:
        emit_json(index)
    else:
        click.echo(f"{len(index)} programs of run {index[0]['run']} are now in {to}; index.json lists them")


VERBS: tuple[click.Command, ...] = (runs, best, show, diff, lineage, search, failures, spend, export)
"""What the command line takes from this module."""


def _chosen(archive: Archive, id: str | None, run: str | None) -> tuple[str, Program]:
    """Return the program that ``id`` names, or the best one of the run."""
    if id is not None:
        return archive.find(id, run)
    name = archive.run(run).name
    programs = archive.best(1, name)
    if not programs:
        raise ArchiveError(f"run {name!r} has no program with a score yet; `evolve failures` says why attempts ended")
    return name, programs[0]


def _parent(program: Program) -> str:
    """Return the id of a program's parent."""
    from evolve.records import short_id

    return "" if program.parent is None else short_id(program.parent)


def _first_path(program: Program) -> str:
    """Return the path that tells a highlighter the language."""
    return next(iter(program.sources), "")

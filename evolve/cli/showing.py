"""How one program is shown: every fact of it as JSON, or a page of text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from evolve.archive.export import summary
from evolve.cli.listing import emit_code, metrics, several, span

if TYPE_CHECKING:
    from evolve.archive import Archive
    from evolve.archive.rows import Judged, RunInfo
    from evolve.records import Program


def described(archive: Archive, run: str, program: Program) -> dict[str, Any]:
    """Return all that is known of a program."""
    info = archive.run(run)
    return {
        **summary(run, program),
        "task": info.task,
        "unit": info.unit,
        "direction": info.direction,
        "lineage": [ancestor.id for ancestor in archive.lineage(run, program.digest)[1:]],
        "children": [child.id for child in archive.children(run, program.digest)],
        "evaluations": [_evaluation(judged) for judged in archive.evaluations(run, program.digest)],
        "artifacts": [
            {"name": a.name, "mime": a.mime, "bytes": len(a.data)} for a in archive.artifacts(run, program.digest)
        ],
        "traits": dict(program.traits),
        "files": dict(program.sources),
    }


def print_program(archive: Archive, info: RunInfo, program: Program) -> None:
    """Print all that is known of a program for reading."""
    line = archive.lineage(info.name, program.digest)
    children = archive.children(info.name, program.digest)
    judged = archive.evaluations(info.name, program.digest)
    score = f"none: {program.status}" if program.score is None else f"{program.score!r} {info.unit}".rstrip()
    origin = f"attempt {program.number}" if program.number > 0 else "where the run started"
    kin = f"{several(len(line) - 1, 'ancestor', 'ancestors')}, {several(len(children), 'child', 'children')}"
    facts = [
        ("program", f"{program.id} of run {info.name} (task {info.task})"),
        ("score", f"{score} ({info.direction})"),
        ("metrics", metrics(dict(program.metrics))),
        ("from", f"{origin}, arm {program.arm}, operator {program.operator}, island {program.island}"),
        ("note", judged[0].note if judged else ""),
        ("parent", f"{line[1].id} (score {line[1].score!r}{_by(program, line[1])})" if len(line) > 1 else ""),
        ("lineage", f"{kin}: evolve lineage {program.id}"),
        *(("judged", _verdict(one)) for one in judged),
        ("kept", "  ".join(artifact.name for artifact in archive.artifacts(info.name, program.digest))),
    ]
    for name, value in facts:
        if value:
            click.echo(f"{click.style(name.ljust(8), bold=True)} {value}")
    for name in ("feedback", "error", "output", "log"):
        for words in dict.fromkeys(str(getattr(one.evaluation, name)).strip() for one in judged):
            if words:
                click.echo(f"\n{click.style(name, bold=True)}\n{words}")
    for path, code in program.sources.items():
        click.echo(f"\n{click.style(path, bold=True)}")
        emit_code(code, path)


def change(child: Program, parent: Program | None) -> float | None:
    """Return how much a child's score differs from its parent's, where both have one."""
    if parent is None or child.score is None or parent.score is None:
        return None
    return child.score - parent.score


def _evaluation(judged: Judged) -> dict[str, Any]:
    """Return an evaluation."""
    seen = asdict(judged.evaluation)
    del seen["artifacts"]
    return {"purpose": judged.purpose, "seed": judged.seed, "note": judged.note, "judged_at": judged.judged_at, **seen}


def _verdict(judged: Judged) -> str:
    """Return what the judge saw in one line."""
    seen = judged.evaluation
    parts = [f"{seen.status} in {span(seen.seconds)}", f"purpose {judged.purpose}"]
    if seen.cpu_seconds is not None:
        parts.append(f"cpu {span(seen.cpu_seconds)}")
    if seen.memory is not None:
        parts.append(f"memory {seen.memory / 2**20:.0f} MiB")
    why = f" ({seen.isolation_reason})" if seen.isolation_reason else ""
    return ", ".join([*parts, f"isolation {seen.isolation}{why}", f"integrity {seen.integrity}"])


def _by(child: Program, parent: Program) -> str:
    """Return the change of the score in words."""
    by = change(child, parent)
    return "" if by is None else f", change {by:+.6g}"

"""How one program, or one attempt, is shown: every fact of it as JSON, or a page of text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from evolve.archive.values import summary
from evolve.cli.listing import dollars, emit_code
from evolve.errors import ArchiveError
from evolve.phrases import metrics, several, short, span

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evolve.archive import Archive, Champion
    from evolve.archive.rows import Exchanged, Judged, RunInfo
    from evolve.records import Attempt, Evaluation, Program, Prompt, Sources


def described(archive: Archive, run: str, program: Program) -> dict[str, Any]:
    """Return all that is known of a program."""
    info = archive.run(run)
    found, screening = archive.verdict(run, program.digest), archive.screening(run)
    return {
        **summary(run, program),
        "champion": None if found is None else found.plain(),
        "screening": None if screening is None else asdict(screening),
        "task": info.task,
        "unit": info.unit,
        "direction": info.direction,
        "lineage": [ancestor.id for ancestor in archive.lineage(run, program.digest)[1:]],
        "children": [child.id for child in archive.children(run, program.digest)],
        "evaluations": [_evaluation(judged) for judged in archive.evaluations(run, program.digest)],
        "artifacts": [
            {"name": a.name, "mime": a.mime, "bytes": len(a.data)} for a in archive.artifacts(run, program.digest)
        ],
        "cost": _cost(archive.conversation(run, program.number)),
        "traits": dict(program.traits),
        "files": dict(program.sources),
    }


def print_program(archive: Archive, info: RunInfo, program: Program) -> None:
    """Print all that is known of a program for reading."""
    line = archive.lineage(info.name, program.digest)
    children = archive.children(info.name, program.digest)
    judged = archive.evaluations(info.name, program.digest)
    found, screening = archive.verdict(info.name, program.digest), archive.screening(info.name)
    score = f"none: {_status(judged, program)}" if program.score is None else f"{program.score!r} {info.unit}".rstrip()
    origin = f"attempt {program.number}" if program.number > 0 else "where the run started"
    kin = f"{several(len(line) - 1, 'ancestor', 'ancestors')}, {several(len(children), 'child', 'children')}"
    facts = [
        ("program", f"{program.id} of run {info.name} (task {info.task})"),
        ("score", f"{score} ({info.direction})"),
        ("metrics", metrics(dict(program.metrics))),
        ("from", f"{origin}, arm {program.arm}, operator {program.operator}, island {program.island}"),
        ("cost", _bill(archive.conversation(info.name, program.number))),
        ("note", judged[0].note if judged else ""),
        ("parent", f"{line[1].id} (score {line[1].score!r}{_by(program, line[1])})" if len(line) > 1 else ""),
        ("lineage", f"{kin}: evolve lineage {program.id}"),
        *(("judged", _verdict(one)) for one in judged),
        ("contest", "" if found is None or not found.notable else found.words),
        ("screen", "" if screening is None else f"of the run: {screening.words}"),
        ("kept", "  ".join(artifact.name for artifact in archive.artifacts(info.name, program.digest))),
    ]
    _print_facts(facts)
    for name in ("feedback", "error", "output", "log"):
        for words in dict.fromkeys(str(getattr(one.evaluation, name)).strip() for one in judged):
            if words:
                click.echo(f"\n{click.style(name, bold=True)}\n{words}")
    _print_files(program.sources)


def described_attempt(archive: Archive, run: str, attempt: Attempt) -> dict[str, Any]:
    """Return all that is known of an attempt, whether it led to a program or not."""
    asked = attempt.proposal
    return {
        "run": run,
        "attempt": asked.number,
        "arm": asked.arm,
        "operator": asked.operator,
        "island": asked.island,
        "parent": asked.parent.id,
        "inspirations": [other.id for other in asked.inspirations],
        "program": None if attempt.program is None else attempt.program.id,
        "stage": attempt.stage,
        "reason": attempt.reason,
        "evaluations": len(attempt.points),
        "cost": _cost(archive.conversation(run, asked.number)),
        "note": "" if attempt.draft is None else attempt.draft.note,
        "files": None if attempt.draft is None else dict(attempt.draft.sources),
    }


def print_attempt(archive: Archive, run: str, attempt: Attempt) -> None:
    """Print all that is known of an attempt for reading; of its program, where there is one, only the id."""
    asked, draft = attempt.proposal, attempt.draft
    calls = archive.conversation(run, asked.number)
    ended = attempt.reason or ("not yet" if attempt.program is None else "")
    ended = f"{attempt.stage}: {ended}" if attempt.stage else ended
    _print_facts(
        [
            ("attempt", f"{asked.number} of run {run}"),
            ("asked", f"arm {asked.arm}, operator {asked.operator}, island {asked.island}"),
            ("parent", f"{asked.parent.id} (score {asked.parent.score!r})"),
            ("shown", "  ".join(other.id for other in asked.inspirations)),
            ("ended", ended),
            ("program", "" if attempt.program is None else f"{attempt.program.id}: evolve show {attempt.program.id}"),
            ("cost", _bill(calls)),
            ("note", "" if draft is None else draft.note),
            ("replies", f"evolve show --attempt {asked.number} --replies" if calls else ""),
        ]
    )
    if draft is not None and attempt.program is None:
        _print_files(draft.sources)


def conversation(archive: Archive, run: str, number: int, *, prompt: bool, replies: bool) -> dict[str, Any]:
    """Return what a model was asked for an attempt, and what it answered, each where it is wanted."""
    calls = archive.conversation(run, number)
    said: dict[str, Any] = {}
    if prompt:
        said["prompt"] = _without(asdict(_asked(calls).prompt), "files") if calls else None
    if replies:
        said["replies"] = [_without(asdict(call), "prompt") for call in calls]
    return said


def print_conversation(archive: Archive, run: str, number: int, *, prompt: bool, replies: bool) -> None:
    """Print what a model was asked for an attempt, and what it answered.

    Raises:
        ArchiveError: if no model was asked.
    """
    calls = archive.conversation(run, number)
    if not calls:
        origin = f"attempt {number}" if number > 0 else "what the run started from"
        raise ArchiveError(f"no model was asked for {origin} of run {run!r}")
    if prompt:
        _print_prompt(_asked(calls).prompt)
    for call in calls if replies else ():
        _print_call(call)


def change(child: Program, parent: Program | None) -> float | None:
    """Return how much a child's score differs from its parent's, where both have one."""
    if parent is None or child.score is None or parent.score is None:
        return None
    return child.score - parent.score


def _print_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Print facts under their names, those that are there."""
    for name, value in facts:
        if value:
            click.echo(f"{click.style(name.ljust(8), bold=True)} {value}")


def _print_files(files: Sources) -> None:
    """Print the files of a program."""
    for path, code in files.items():
        click.echo(f"\n{click.style(path, bold=True)}")
        emit_code(code, path)


def _evaluation(judged: Judged) -> dict[str, Any]:
    """Return an evaluation."""
    seen = asdict(judged.evaluation)
    del seen["artifacts"]
    place = {"purpose": judged.purpose, "seed": judged.seed, "bar": judged.bar}
    return {**place, "note": judged.note, "judged_at": judged.judged_at, **seen}


def _verdict(judged: Judged) -> str:
    """Return what the judge saw in one line."""
    seen = judged.evaluation
    made = "known from an earlier evaluation" if seen.cached else f"in {span(seen.seconds)}"
    parts = [f"{_ended(seen)} {made}", f"purpose {judged.purpose}"]
    if seen.repeats:
        parts.append(f"{len(seen.repeats)} seeds")
    if seen.screen is not None:
        parts.append(f"screen {seen.screen!r}" + ("" if judged.bar is None else f" (bar {judged.bar!r})"))
    if seen.cpu_seconds is not None:
        parts.append(f"cpu {span(seen.cpu_seconds)}")
    if seen.memory is not None:
        parts.append(f"memory {seen.memory / 2**20:.0f} MiB")
    why = f" ({seen.isolation_reason})" if seen.isolation_reason else ""
    return ", ".join([*parts, f"isolation {seen.isolation}{why}", f"integrity {seen.integrity}"])


def standing(found: Champion | None, champion: Champion | None) -> str:
    """Return what a list says of a program that contended: whether it is the champion, or why it is not; former ones are nothing
    special.
    """
    if found is None or (found.verdict == "promoted" and found != champion):
        return ""
    words = [*(["champion"] if found == champion else []), *([found.words] if found.notable else [])]
    return short(", ".join(words))


def _ended(seen: Evaluation) -> str:
    """Return how an evaluation ended."""
    return "held back by the screen" if seen.screened_out else seen.status


def _status(judged: Sequence[Judged], program: Program) -> str:
    """Return how the evaluation of a program without a score ended."""
    return _ended(judged[0].evaluation) if judged else program.status


def _by(child: Program, parent: Program) -> str:
    """Return the change of the score in words."""
    by = change(child, parent)
    return "" if by is None else f", change {by:+.6g}"


def _asked(calls: Sequence[Exchanged]) -> Exchanged:
    """Return the call whose prompt holds the whole conversation: the last that was answered."""
    return next((call for call in reversed(calls) if call.reply is not None), calls[-1])


def _print_prompt(prompt: Prompt) -> None:
    """Print a prompt as it was sent."""
    for message in prompt.messages:
        click.echo(click.style(f"### {message.role}", bold=True))
        click.echo(message.text)
    if prompt.begin:
        click.echo(f"{click.style('### the reply begins', bold=True)}\n{prompt.begin}")
    for stop in prompt.stop:
        click.echo(f"{click.style('### the reply ends before', bold=True)}\n{stop}")


def _print_call(call: Exchanged) -> None:
    """Print a call in a line, and below it what came of it."""
    place = f"turn {call.turn}" + (f", try {call.tries + 1}" if call.tries else "")
    words = [f"{place} ({call.prompt.purpose}): {call.state}", _bill([call])]
    if call.reply is not None:
        words += [f"finish {call.reply.finish}", call.reply.note]
    click.echo(click.style(f"### {', '.join(word for word in words if word)}", bold=True))
    if call.reply is None:
        click.echo(call.error or "no reply yet")
        return
    if call.reply.reasoning:
        click.echo(f"{click.style('reasoning', bold=True)}\n{call.reply.reasoning}")
    click.echo(call.reply.text)


def _without(columns: dict[str, Any], name: str) -> dict[str, Any]:
    """Return ``columns`` but for one."""
    return {key: value for key, value in columns.items() if key != name}


def _cost(calls: Sequence[Exchanged]) -> dict[str, Any]:
    """Return what calls cost in all; dollars are None where a price is unknown."""
    sure = [call.dollars for call in calls if call.state in ("done", "failed")]
    unsure = [call.dollars for call in calls if call.state in ("open", "uncertain")]
    answered = [call.reply for call in calls if call.reply is not None]
    return {
        "calls": len(calls),
        "replies": len(answered),
        "input_tokens": sum(reply.input_tokens or 0 for reply in answered),
        "output_tokens": sum(reply.output_tokens or 0 for reply in answered),
        "tokens": sum(call.tokens for call in calls),
        "dollars": _sum(sure),
        "uncertain_dollars": _sum(unsure),
        "seconds": sum(call.seconds for call in calls),
    }


def _sum(amounts: Sequence[float | None]) -> float | None:
    """Return the sum of dollars, None where one of them is unknown."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known, 0.0) if len(known) == len(amounts) else None


def _bill(calls: Sequence[Exchanged]) -> str:
    """Return what calls cost in words; nothing where there were none."""
    if not calls:
        return ""
    cost = _cost(calls)
    parts = [f"{cost['input_tokens']} + {cost['output_tokens']} tokens", f"{dollars(cost['dollars'])} dollars"]
    if len(calls) > 1:
        parts.insert(0, several(len(calls), "call", "calls"))
    if cost["uncertain_dollars"] != 0:
        parts.append(f"{dollars(cost['uncertain_dollars'])} more uncertain")
    return ", ".join([*parts, span(cost["seconds"])])

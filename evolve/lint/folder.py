"""What a task's folder lacks, and limits that are far from what an evaluation costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from evolve.lint.finding import Finding
from evolve.survey import Survey

TIGHT = 3.0
"""A limit that is less than so many times what a program took: a loaded machine, or a program that is better, would break it."""
WIDE = 100.0
"""A limit that is more than so many times that: one that hangs holds its slot for all of it."""
PATIENT = 120.0
"""Seconds of limit that nobody needs to think about."""
OFF = 2.0
"""How many times as much or as little a stated cost may be."""
SCREEN, WHOLE = 10.0, 60.0
"""Processor seconds of a screen and of an evaluation beyond which a run of hundreds is no longer a matter of hours."""


def findings(survey: Survey) -> Iterator[Finding]:
    """Yield what is missing or far off."""
    yield from _missing(survey)
    yield from _costs(survey)
    yield from _limits(survey)


def _missing(survey: Survey) -> Iterator[Finding]:
    task, toml = survey.task, str(survey.task.root / "task.toml")
    if not (task.root / "README.md").is_file():
        yield Finding(
            "warning", "there is no README.md", str(task.root),
            "say what is evolved, how it is judged, what the references score, and what a clever candidate could exploit",
        )  # fmt: skip
    if not task.baselines:
        yield Finding(
            "warning", "there are no baselines", toml,
            "add [[baselines]] with name, score and source: without them nobody can tell a good score from a bad one",
        )  # fmt: skip
    if not any(baseline.program for baseline in task.baselines):
        yield Finding(
            "note", "no baseline has a program, so no recorded score can be checked", toml,
            'put a reference solution into references/ and name it: program = "references/NAME.py"',
        )  # fmt: skip
    if task.score.target is None and task.score.bounds == (None, None):
        yield Finding(
            "note", "the score has neither bounds nor a target", toml,
            "give [score] bounds, which a score out of the possible is refused by, or the target at which a run may stop",
        )  # fmt: skip


def _costs(survey: Survey) -> Iterator[Finding]:
    toml = str(survey.task.root / "task.toml")
    screen, evaluate = survey.cost
    given = survey.task.cost
    pairs = (("screen", screen, given.screen, SCREEN), ("evaluate", evaluate, given.evaluate, WHOLE))
    for name, measured, said, most in pairs:
        if measured is None:
            continue
        if measured > most:
            yield Finding(
                "warning", f"{name} takes {measured:.3g} processor seconds, more than {most:g}", "evaluate.py",
                "use less data, fewer repeats or a smaller model, as far as the orderings still hold",
            )  # fmt: skip
        if said is None:
            yield Finding("note", f"what {name} costs is not said", toml, f"add [cost] {name} = {measured:.2g}")
        elif measured >= 0.1 and not said / OFF <= measured <= said * OFF:
            yield Finding(
                "warning", f"{name} took {measured:.2g} processor seconds here, and {said:g} are stated", toml,
                f"set [cost] {name} = {measured:.2g}, or find out what has changed",
            )  # fmt: skip


def _limits(survey: Survey) -> Iterator[Finding]:
    task, toml = survey.task, str(survey.task.root / "task.toml")
    used = [one.cpu_seconds for row in survey.rows for one in row.seen if one.cpu_seconds is not None]
    most = max(used, default=0.0)
    if most * TIGHT > task.limits.cpu_seconds:
        yield Finding(
            "warning", f"a program took {most:.3g} of the {task.limits.cpu_seconds:g} processor seconds allowed", toml,
            f"set limits.cpu_seconds, or limits.seconds, to {5 * most:.2g} or more: slower machines and better programs need it",
        )  # fmt: skip
    slowest = max((one.seconds for row in survey.rows for one in row.seen), default=0.0)
    if most and task.limits.seconds > max(PATIENT, WIDE * slowest):
        yield Finding(
            "note", f"limits.seconds is {task.limits.seconds:g}, and no program took more than {slowest:.2g} s", toml,
            f"set it to {max(10.0, 10 * slowest):.2g}: a program that hangs holds its slot for all of it",
        )  # fmt: skip
    memory = max((one.memory or 0 for row in survey.rows for one in row.seen), default=0)
    if memory * 1.2 > task.limits.memory:
        yield Finding(
            "warning", f"a program took {memory >> 20} of the {task.limits.memory >> 20} MiB allowed", toml,
            "raise limits.memory: what comes near it fails elsewhere",
        )  # fmt: skip


def named(path: Path, root: Path) -> str:
    """Return a path as people write it: below the task's folder, where it is there."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)

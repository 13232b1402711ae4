"""Small archives for tests: a task, attempts that are told, and whole runs with every kind of ending."""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from evolve.archive import Archive
from evolve.records import (
    Attempt,
    Call,
    Direction,
    Draft,
    Evaluation,
    Limits,
    Message,
    Metric,
    Point,
    Program,
    Prompt,
    Proposal,
    Reply,
    Task,
)


def rows(db: Path, sql: str) -> list[tuple[Any, ...]]:
    """Return what a query of an archive finds."""
    with closing(sqlite3.connect(db)) as connection:
        return connection.execute(sql).fetchall()


def task(name: str = "sphere", direction: Direction = "maximize", metrics: tuple[Metric, ...] = ()) -> Task:
    """Return a task that is never judged."""
    return Task(
        name=name,
        brief="Make it larger.",
        root=Path("tasks") / name,
        entry="program.py",
        language="python",
        initial={"program.py": "x = 0\n"},
        evaluator=Path("evaluate.py"),
        harness=None,
        score=Metric("score", direction, unit="points"),
        metrics={metric.name: metric for metric in metrics},
        limits=Limits(),
        packages=(),
        data=(),
        baselines=(),
        search={},
        allow_nonfinite=False,
        digest="t" * 64,
    )


def digest(word: str | int) -> str:
    """Return a digest that looks like a real one."""
    return hashlib.sha256(str(word).encode()).hexdigest()


def seed(score: float = 1.0) -> Program:
    """Return the program that runs start from."""
    return Program(digest("seed"), {"program.py": "x = 0\n"}, "ok", score, {"size": 1.0})


def proposal(number: int, parent: Program, *inspirations: Program, arm: str = "builtin/mutate") -> Proposal:
    """Return a job."""
    return Proposal(
        number, parent, inspirations, 0, arm, arm.rsplit("/", 1)[-1], number * 7, number - 1, best=parent.score
    )


def drafted(number: int, parent: Program, code: str, *inspirations: Program, arm: str = "builtin/mutate") -> Attempt:
    """Return an attempt with a draft."""
    draft = Draft({"program.py": code}, f"tried {number}", {"step": number / 3})
    return Attempt(proposal(number, parent, *inspirations, arm=arm), draft, digest(code))


def judge(attempt: Attempt, seen: Evaluation) -> Attempt:
    """Give an attempt what the judge saw of its draft, and the program that comes of it."""
    assert attempt.draft is not None
    assert attempt.digest is not None
    asked = attempt.proposal
    attempt.points.append(Point(attempt.draft, attempt.digest, seen))
    attempt.gain = 0.0 if seen.score is None else 0.5
    attempt.program = replace(
        Program(attempt.digest, attempt.draft.sources, seen.status, seen.score, seen.metrics, asked.number),
        parent=asked.parent.digest,
        arm=asked.arm,
        operator=asked.operator,
        generation=asked.parent.generation + 1,
        traits=attempt.draft.traits,
    )
    return attempt


def tell(archive: Archive, run: str, attempt: Attempt) -> None:
    """Store an attempt the way the loop does: its draft first, the rest in one commit."""
    if attempt.draft is not None and attempt.stage is None:
        archive.drafted(run, replace(attempt, points=[], program=None, gain=None))
    with archive.transaction():
        for point in range(len(attempt.points)):
            archive.judged(run, attempt, point, "tune" if point else "child", 11)
        archive.told(run, attempt, attempt.proposal.number)


def begin(archive: Archive, name: str | None = None, direction: Direction = "maximize") -> str:
    """Begin a run that starts from the seed."""
    run = archive.create_run(name, task(direction=direction), 5, {"search": {"islands": 2}}).name
    archive.seeded(run, seed(), Evaluation("ok", 1.0, {"size": 1.0}, "the seed", seconds=0.25), 11)
    return run


def fill(archive: Archive, name: str | None = None, direction: Direction = "maximize") -> str:
    """Return a run of six attempts: three that live (scores 2, 4 and 3), a crash, a duplicate, and one that is pending."""
    run = begin(archive, name, direction)
    first = judge(
        drafted(1, seed(), "def relu(x):\n    return max(x, 0)\n"), Evaluation("ok", 2.0, {"size": 2.0}, "larger")
    )
    tell(archive, run, first)
    assert first.program is not None
    second = judge(
        drafted(2, first.program, "def leaky_relu(x):\n    return max(x, 0.1 * x)\n", seed(), arm="builtin/tune"),
        Evaluation("ok", 4.0, {"size": 3.0}, "much larger", seconds=1.5, cpu_seconds=1.25, memory=3 << 20),
    )
    tell(archive, run, second)
    crash = Evaluation(
        "crash",
        error="Traceback (most recent call last):\n  …\nZeroDivisionError: division by zero",
        output="about to divide",
        seconds=0.5,
    )
    tell(archive, run, judge(drafted(3, first.program, "1 / 0\n"), crash))
    refused = drafted(4, first.program, "def relu(x):\n    return max(x, 0)\n")
    refused.stage, refused.reason, refused.gain = "novelty", "the same program as attempt 1", 0.0
    tell(archive, run, refused)
    assert second.program is not None
    tell(archive, run, judge(drafted(5, second.program, "x = 3\n"), Evaluation("ok", 3.0, {"size": 1.0})))
    archive.drafted(run, drafted(6, second.program, "x = 6\n", seed(), first.program))
    return run


def call(number: int, turn: int = 0, tries: int = 0, *, arm: str = "builtin/mutate", words: str = "better") -> Call:
    """Return a call that may cost 0.5 dollars and 100 tokens."""
    messages = (Message("system", "Improve the program."), Message("user", f"Make it {words}."))
    prompt = Prompt(messages, "correct" if turn else "draft", "<NAME>", ("</CODE>",), "e" * 64)
    return Call(number, turn, tries, arm, prompt, {"model": arm, "temperature": 0.7}, 0.5, 100)


def converse(archive: Archive, run: str, number: int = 5, arm: str = "builtin/mutate") -> None:
    """Store a conversation of two turns: a try that failed, a reply that could not be used, one that could, and a call
    whose end nobody saw.
    """
    first, again, corrected = (call(number, turn, tries, arm=arm) for turn, tries in ((0, 0), (0, 1), (1, 0)))
    archive.failed(run, first, "503 busy", status=503, uncertain=False, seconds=0.5)
    archive.replied(run, again, Reply("no edit", "length", 30, 8, 10, 4, 0.25, 1.5, "I wonder.", "odd"), 38)
    archive.replied(run, corrected, Reply("<NAME>an edit", "stop", 40, 20, dollars=0.125, seconds=2.0), 60)
    archive.opened(run, call(number, 2, arm=arm))

"""A night made up for tests: programs with the scores that a test wants, told the way the loop tells them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from weakref import finalize

from evolve.archive import Archive, Champion
from evolve.config import Config
from evolve.records import Direction, Evaluation, Metric, Program, Repeat, Stages, Task
from tests.archives import digest, drafted, judge, task, tell

JAILED: dict[str, Any] = {"isolation": "namespaces", "integrity": "isolated", "fresh": "fork", "seconds": 0.5}


class Night:
    """A run that a test fills. Scores on several seeds are given as ``repeats``; the score is their mean."""

    def __init__(
        self,
        folder: Path,
        name: str | None = "night",
        *,
        direction: Direction = "maximize",
        repeats: int = 1,
        metrics: tuple[Metric, ...] = (),
        config: dict[str, Any] | None = None,
        environment: str = "python 3.11",
        of: Task | None = None,
    ) -> None:
        self.archive = Archive(folder / "evolve.db")
        finalize(self, self.archive.close)
        chosen = of or task(direction=direction, metrics=metrics)
        settings = config if config is not None else Config().model_dump(mode="json")
        chosen = replace(chosen, stages=Stages(repeats=repeats))
        self.run = self.archive.create_run(name, chosen, 5, settings, environment=environment).name
        self.told = 0
        self.starts = 0

    def seed(self, score: float | None = 1.0, code: str = "x = 0\n", **seen: Any) -> Program:
        """Store a program that the run starts from."""
        evaluation = judged(score, **seen)
        program = Program(
            digest(f"seed {code}"),
            {"program.py": code},
            evaluation.status,
            evaluation.score,
            evaluation.metrics,
            number=-self.starts,
            operator="seed" if self.starts == 0 else f"elsewhere/start {self.starts}.py",
        )
        self.archive.seeded(self.run, program, evaluation, 0)
        self.starts += 1
        return program

    def child(
        self,
        parent: Program,
        score: float | None,
        code: str = "",
        arm: str = "builtin/mutate",
        note: str = "",
        **seen: Any,
    ) -> Program:
        """Store a child of ``parent``."""
        self.told += 1
        attempt = drafted(self.told, parent, code or f"x = {self.told}\n", arm=arm)
        assert attempt.draft is not None
        attempt.draft = replace(attempt.draft, note=note or f"step {self.told}")
        attempt = judge(attempt, judged(score, **seen))
        tell(self.archive, self.run, attempt)
        assert attempt.program is not None
        return attempt.program

    def verdict(
        self, program: Program, verdict: Any = "promoted", place: int = 1, against: Program | None = None, **said: Any
    ) -> None:
        """Store a verdict on a program."""
        before = None if against is None else against.digest
        found = Champion(place, program.digest, before, verdict, "so it was decided", score=program.score, **said)
        self.archive.decided(self.run, found, 0.0)

    def again(self, program: Program, purpose: str, scores: Sequence[float], place: int = 1, **seen: Any) -> None:
        """Store what the judge saw when it judged a program again."""
        repeats = tuple(Repeat(1000 * place + at, score, 0.1) for at, score in enumerate(scores))
        mean = sum(scores) / len(scores) if scores else None
        evaluation = judged(mean, **{"status": "ok", **seen})
        evaluation = replace(evaluation, repeats=repeats if len(scores) > 1 else ())
        self.archive.reviewed(self.run, place, program.digest, purpose, 1000 * place, evaluation)


def judged(score: float | None, repeats: Sequence[float] = (), **seen: Any) -> Evaluation:
    """Return an evaluation in a jail; without a score it crashed."""
    if repeats:
        seen["repeats"] = tuple(Repeat(at, one, 0.1) for at, one in enumerate(repeats))
        score = sum(repeats) / len(repeats)
    status = "crash" if score is None else "ok"
    return Evaluation(**{**JAILED, "status": status, "score": score, **seen})

"""The archive: one SQLite file that holds many runs, all they tried and all the judge saw. This module writes it.

database.py   opens and migrates the file
rows.py       records <-> rows
recall.py     what the loop reads back
questions.py  what people ask
archive.py    what the loop writes
"""

from __future__ import annotations

import importlib.metadata
import re
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from evolve.errors import ArchiveError
from evolve.lock import locked
from evolve.questions import Questions
from evolve.records import Attempt, Draft, Evaluation, Program, Proposal, Sources, Task
from evolve.rows import Purpose, RunInfo, RunState, canonical, clean, content, dump_metrics

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""What a run may be called: it becomes part of file names and addresses."""

ASKED = """
INSERT INTO attempts (run, number, told_before, parent, inspirations, island, arm, operator, seed, tried, gained, best, state, asked_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'asked', ?) ON CONFLICT (run, number) DO NOTHING
"""
UPDATED = """
UPDATE attempts SET
    state = :state, digest = :digest, source = :source, note = :note, traits = :traits, stage = :stage, reason = :reason,
    gain = :gain, program = :program, told_order = :order,
    drafted_at = CASE WHEN :source IS NOT NULL THEN coalesce(drafted_at, :now) END,
    told_at = CASE WHEN :order IS NOT NULL THEN :now END
WHERE run = :run AND number = :number AND state <> 'told'
"""
JUDGED = """
INSERT INTO evaluations (task_digest, run, attempt, point, purpose, digest, source, seed, status, score, seconds, cpu_seconds, memory,
    isolation, isolation_reason, integrity, judged_at, metrics, note, traits, feedback, error, output, log)
VALUES ((SELECT task_digest FROM runs WHERE name = ?1), ?1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (run, attempt, point) DO NOTHING RETURNING id
"""
ADDED = """
INSERT INTO programs (run, digest, source, number, parent, arm, operator, island, generation, status, score, created, metrics, traits)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run, digest) DO NOTHING
"""


class Archive(Questions):
    """One archive file, open for reading and writing.

    Every method that writes is one transaction and may be repeated with the same key without harm; `transaction` groups several into one
    commit. Integers, seeds among them, must fit 64 signed bits.
    """

    def create_run(
        self,
        name: str | None,
        task: Task,
        seed: int,
        config: Mapping[str, Any],
        arms: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> RunInfo:
        """Begin a run.

        Args:
            name: what to call it; None for a fresh name after the task.
            task: what it evolves.
            seed: of all its random choices.
            config: resolved settings, plain JSON values without secrets.
            arms: the arms it may choose, each with its settings.

        Raises:
            ArchiveError: if the name is taken or cannot be a name.
        """
        score = task.score
        direction = score.direction or "maximize"
        objectives = {metric.name: metric.direction for metric in task.metrics.values() if metric.direction} | {
            "score": direction
        }
        with self.transaction():
            name = self._fresh_name(task.name) if name is None else self._free_name(name)
            self._run(
                "INSERT INTO runs (name, task, task_path, task_digest, direction, unit, seed, config, version, created) "
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    name,
                    task.name,
                    str(task.root),
                    task.digest,
                    direction,
                    score.unit,
                    seed,
                    canonical(dict(config)),
                    _version(),
                    time.time(),
                ),
            )
            for objective, wanted in objectives.items():
                self._run("INSERT INTO objectives (run, name, direction) VALUES (?, ?, ?)", (name, objective, wanted))
            self._store_arms(name, arms)
            return self.run(name)

    def resume_run(
        self, run: str, config: Mapping[str, Any], arms: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Set a run going again, with a new config and perhaps more arms.

        Raises:
            ArchiveError: if there is no such run.
        """
        with self.transaction():
            self._update_run(
                run, "state = 'running', reason = '', finished = NULL, config = ?", canonical(dict(config))
            )
            self._store_arms(run, arms)

    def finish(self, run: str, state: RunState, reason: str, seconds: float) -> None:
        """Say that a run ended, or how far it is while ``state`` is ``running``.

        Args:
            run: its name.
            state: ``done`` if its budget or target was reached, ``stopped`` if something else ended it.
            reason: why, in words.
            seconds: time spent running, in total over all resumes.

        Raises:
            ArchiveError: if there is no such run.
        """
        finished = None if state == "running" else time.time()
        self._update_run(
            run, "state = ?, reason = ?, seconds = ?, finished = ?", state, clean(reason), seconds, finished
        )

    def lock(self, run: str) -> AbstractContextManager[None]:
        """Hold ``run`` for this process; entering raises `ArchiveError` if another one drives it. Freed when the process ends, even if killed."""
        return locked(self.path.with_name(f"{self.path.name}.{run}.lock"), f"run {run!r}")

    def asked(self, run: str, proposal: Proposal) -> None:
        """Store a proposal before anything is done about it."""
        self._run(
            ASKED,
            (
                run,
                proposal.number,
                proposal.told,
                proposal.parent.digest,
                canonical([other.digest for other in proposal.inspirations]),
                proposal.island,
                proposal.arm,
                proposal.operator,
                proposal.seed,
                proposal.tried,
                proposal.gained,
                proposal.best,
                time.time(),
            ),
        )

    def drafted(self, run: str, attempt: Attempt) -> None:
        """Store the draft of an attempt before it is judged.

        Raises:
            ValueError: if there is no draft.
            sqlite3.IntegrityError: if another attempt that was not refused has the same digest; ask `known` first.
        """
        if attempt.draft is None:
            raise ValueError(f"attempt {attempt.proposal.number} has no draft")
        with self.transaction():
            self._update_attempt(run, attempt, "drafted", None)

    def judged(self, run: str, attempt: Attempt, point: int, purpose: Purpose, seed: int) -> None:
        """Store what the judge saw of ``attempt.points[point]``. A stored ``judge_error`` gives way to what a later try brought."""
        judged = attempt.points[point]
        self._store_evaluation(
            run, (attempt.proposal.number, point, purpose, seed), judged.draft, judged.digest, judged.evaluation
        )

    def told(self, run: str, attempt: Attempt, order: int) -> None:
        """Store how an attempt ended, and its program if it has one. ``order`` is its place among the told attempts of its run."""
        with self.transaction():
            if attempt.program is not None:
                self._store_program(run, attempt.program)
            self._update_attempt(run, attempt, "told", order)

    def seeded(self, run: str, program: Program, evaluation: Evaluation, seed: int) -> None:
        """Store a program that ``run`` starts from, with what the judge saw of it.

        After a ``judge_error`` only the evaluation is stored.

        Raises:
            ValueError: if the program's number is that of an attempt.
        """
        if program.number > 0:
            raise ValueError(f"a program to start from has a number of 0 or less, not {program.number}")
        with self.transaction():
            draft = Draft(program.sources, traits=program.traits)
            self._store_evaluation(run, (program.number, 0, "seed", seed), draft, program.digest, evaluation)
            if evaluation.status != "judge_error":
                self._store_program(run, program)

    def _fresh_name(self, task: str) -> str:
        """Return a free name such as ``circle_packing-3``."""
        stem = re.sub(r"[^A-Za-z0-9._-]+", "-", task.rsplit("/", 1)[-1]).strip("-._")[:60] or "run"
        taken = {name for (name,) in self._all("SELECT name FROM runs")}
        return next(name for number in range(1, len(taken) + 2) if (name := f"{stem}-{number}") not in taken)

    def _free_name(self, name: str) -> str:
        """Return ``name`` if a run may have it."""
        if not NAME.fullmatch(name):
            raise ArchiveError(
                f"{name!r} cannot name a run: use letters, digits, '.', '_' and '-', a letter or digit first, at most 80"
            )
        if self._one("SELECT 1 FROM runs WHERE name = ?", (name,)):
            raise ArchiveError(
                f"{self.path} already has a run {name!r}: `evolve resume {name}` goes on with it, or choose another name"
            )
        return name

    def _store_arms(self, run: str, arms: Mapping[str, Mapping[str, Any]] | None) -> None:
        """Store or replace the settings of arms."""
        for arm, settings in (arms or {}).items():
            self._run(
                "INSERT OR REPLACE INTO arms (run, name, settings) VALUES (?, ?, ?)",
                (run, arm, canonical(dict(settings))),
            )

    def _update_run(self, run: str, change: str, *values: object) -> None:
        """Change columns of a run that must exist."""
        if not self._run(f"UPDATE runs SET {change} WHERE name = ?", (*values, run)).rowcount:
            raise ArchiveError(f"{self.path} has no run {run!r}; `evolve runs` lists them")

    def _update_attempt(self, run: str, attempt: Attempt, state: str, order: int | None) -> None:
        """Bring an attempt's row up to date, making it where `asked` was not called. What was told stays as it is."""
        self.asked(run, attempt.proposal)
        draft = attempt.draft
        self._run(
            UPDATED,
            {
                "run": run,
                "number": attempt.proposal.number,
                "state": state,
                "digest": attempt.digest,
                "source": None if draft is None else self._store_sources(draft.sources),
                "note": "" if draft is None else clean(draft.note),
                "traits": "{}" if draft is None else canonical(dict(draft.traits)),
                "stage": attempt.stage,
                "reason": clean(attempt.reason),
                "gain": attempt.gain,
                "program": None if attempt.program is None else attempt.program.digest,
                "order": order,
                "now": time.time(),
            },
        )

    def _store_sources(self, sources: Sources) -> str:
        """Store files once and return their hash."""
        row = content(sources)
        self._run("INSERT INTO sources (hash, bytes, files) VALUES (?, ?, ?) ON CONFLICT (hash) DO NOTHING", row)
        return row[0]

    def _store_evaluation(
        self, run: str, place: tuple[int, int, Purpose, int], draft: Draft, digest: str, seen: Evaluation
    ) -> None:
        """Store an evaluation with its artifacts; ``place`` is attempt, point, purpose and seed."""
        attempt, point, purpose, seed = place
        with self.transaction():
            self._run(
                "DELETE FROM evaluations WHERE run = ? AND attempt = ? AND point = ? AND status = 'judge_error'",
                (run, attempt, point),
            )
            cost = (seen.seconds, seen.cpu_seconds, seen.memory)
            jail = (seen.isolation, clean(seen.isolation_reason), seen.integrity)
            facts = (dump_metrics(seen.metrics), clean(draft.note), canonical(dict(draft.traits)))
            texts = (clean(seen.feedback), clean(seen.error), clean(seen.output), clean(seen.log))
            place_columns = (run, attempt, point, purpose, digest, self._store_sources(draft.sources), seed)
            values = (*place_columns, seen.status, seen.score, *cost, *jail, time.time(), *facts, *texts)
            for (id,) in self._all(JUDGED, values):
                for artifact in seen.artifacts:
                    row = (id, clean(artifact.name), clean(artifact.mime), artifact.data)
                    self._run("INSERT INTO artifacts (evaluation, name, mime, data) VALUES (?, ?, ?, ?)", row)

    def _store_program(self, run: str, program: Program) -> None:
        """Store a program and its metrics, unless an earlier attempt found the same one."""
        origin = (program.number, program.parent, program.arm, program.operator, program.island, program.generation)
        facts = (dump_metrics(program.metrics), canonical(dict(program.traits)))
        source = self._store_sources(program.sources)
        row = (run, program.digest, source, *origin, program.status, program.score, time.time(), *facts)
        if self._run(ADDED, row).rowcount:
            for name, value in program.metrics.items():
                if value == value:  # SQLite has no NaN; the program's own column keeps it
                    self._run(
                        "INSERT INTO metrics (run, digest, name, value) VALUES (?, ?, ?, ?)",
                        (run, program.digest, name, value),
                    )


def _version() -> str:
    """Return the version of evolve that writes."""
    try:
        return importlib.metadata.version("evolve-programs")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout
        return "unknown"

"""What writes the archive; with what it inherits, all of it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from evolve import __version__
from evolve.archive.achievements import Achievements
from evolve.archive.background import Backgrounds
from evolve.archive.browsing import Browsing
from evolve.archive.commands import Commands
from evolve.archive.display import Display
from evolve.archive.evidence import Evidence
from evolve.archive.lock import locked
from evolve.archive.replies import Replies
from evolve.archive.reviews import MIXED
from evolve.archive.rows import (
    ArmState,
    Purpose,
    RunInfo,
    StoredState,
    canonical,
    clean,
    content,
    dump_given,
    dump_metrics,
    from_evaluation,
)
from evolve.errors import ArchiveError
from evolve.records import Attempt, Draft, Evaluation, Program, Proposal, Sources, Task

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
"""What a run may be called: it becomes part of file names and addresses."""

UPDATE = """
UPDATE attempts SET
    state = :state, digest = :digest, source = :source, note = :note, traits = :traits, stage = :stage,
    reason = :reason, gain = :gain, program = :program, told_order = :order,
    drafted_before = :drafted, drafted_at = CASE WHEN :source IS NOT NULL THEN coalesce(drafted_at, :now) END,
    told_at = CASE WHEN :order IS NOT NULL THEN :now END
WHERE run = :run AND number = :number AND state <> 'told'
"""

Settings = Mapping[str, Mapping[str, Any]]
"""Arms by name, each with what it was set to: plain JSON values without secrets."""


class Archive(Display, Browsing, Achievements, Evidence, Backgrounds, Replies, Commands):
    """One archive file, open for reading and writing.

    Every method that writes is one transaction and may be repeated with the same key without harm; `transaction` groups
    several into one commit. Integers, seeds among them, must fit 64 signed bits.
    """

    def create_run(
        self,
        name: str | None,
        task: Task,
        seed: int,
        config: Mapping[str, Any],
        arms: Settings | None = None,
        environment: str = "",
    ) -> RunInfo:
        """Begin a run.

        Args:
            name: what to call it; None for a fresh name after the task.
            task: what it evolves.
            seed: of all its random choices.
            config: resolved settings, plain JSON values without secrets.
            arms: what it may choose from.
            environment: what versions it runs with.

        Raises:
            ArchiveError: if the name is taken or cannot be a name.
        """
        direction = task.score.direction or "maximize"
        objectives = {metric.name: metric.direction for metric in task.metrics.values() if metric.direction}
        with self.transaction():
            name = self._fresh_name(task.name) if name is None else self._free_name(name)
            self._insert(
                "runs",
                name=name,
                task=task.name,
                task_path=""
                if task.folder is None
                else str(task.folder) + (f"@{task.variant}" if task.variant else ""),
                task_digest=task.digest,
                direction=direction,
                unit=task.score.unit,
                repeats=task.stages.repeats,
                seed=seed,
                config=canonical(dict(config)),
                version=__version__,
                environment=environment,
                created=time.time(),
            )
            for objective, wanted in (objectives | {"score": direction}).items():
                self._insert("objectives", run=name, name=objective, direction=wanted)
            self._store_arms(name, arms)
            self._sit(name, config)
            return self.run(name)

    def resume_run(
        self, run: str, config: Mapping[str, Any], arms: Settings | None = None, environment: str = ""
    ) -> None:
        """Set a run going again, with a new config and perhaps more arms, and other versions than before.

        Raises:
            ArchiveError: if there is no such run.
        """
        with self.transaction():
            self._update_run(run, state="running", reason="", finished=None, config=canonical(dict(config)))
            if self.environment(run) != environment:
                self._update_run(run, environment=MIXED)
            self._store_arms(run, arms)
            self._sit(run, config)

    def finish(self, run: str, state: StoredState, reason: str, seconds: float) -> None:
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
        self._update_run(run, state=state, reason=clean(reason), seconds=seconds, finished=finished)

    def lock(self, run: str) -> AbstractContextManager[None]:
        """Return a lock that keeps ``run`` to this process; it is freed when the process ends, even if it is killed.

        Raises:
            ArchiveError: on entering, if another process drives the run.
        """
        return locked(self._lock(run), f"run {run!r}")

    def arm_state(self, run: str, arm: str, state: ArmState, reason: str) -> None:
        """Say whether an arm can be asked, and why not. A resume makes every arm that it names ready again.

        Raises:
            ValueError: if the run has no such arm.
        """
        changed = self._run(
            "UPDATE arms SET state = ?, reason = ? WHERE run = ? AND name = ?", (state, clean(reason), run, arm)
        )
        if not changed.rowcount:
            raise ValueError(f"run {run!r} has no arm {arm!r}")

    def asked(self, run: str, proposal: Proposal) -> None:
        """Store a proposal before anything is done about it."""
        self._insert(
            "attempts",
            "run, number",
            run=run,
            number=proposal.number,
            told_before=proposal.told,
            parent=proposal.parent.digest,
            inspirations=canonical([other.digest for other in proposal.inspirations]),
            island=proposal.island,
            arm=proposal.arm,
            operator=proposal.operator,
            seed=proposal.seed,
            tried=proposal.tried,
            gained=proposal.gained,
            best=proposal.best,
            given=dump_given(proposal.given),
            state="asked",
            asked_at=time.time(),
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

    def judged(
        self, run: str, attempt: Attempt, point: int, purpose: Purpose, seed: int, bar: float | None = None
    ) -> None:
        """Store what the judge saw of ``attempt.points[point]``, whose screen had to reach ``bar``.

        A stored ``judge_error`` gives way to what a later try brought.
        """
        seen = attempt.points[point]
        with self.transaction():
            place = (attempt.proposal.number, point, purpose, seed)
            self._store_evaluation(run, place, seen.draft, seen.digest, seen.evaluation, bar)

    def told(self, run: str, attempt: Attempt, order: int) -> None:
        """Store how an attempt ended, and its program if it has one.

        ``order`` is its place among the told attempts of its run.
        """
        with self.transaction():
            if attempt.program is not None:
                self._store_program(run, attempt.program)
            self._update_attempt(run, attempt, "told", order)

    def start_from(self, run: str, programs: Sequence[tuple[str, Sources]]) -> None:
        """Store what ``run`` starts from beside its task's own program, as (name, files), before any of it is judged."""
        with self.transaction():
            for place, (name, sources) in enumerate(programs, 1):
                self._insert("starts", run=run, place=place, name=name, source=self._store_sources(sources))

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
                f"{name!r} cannot name a run: use at most 80 letters, digits, '.', '_' and '-', a letter or digit first"
            )
        if self._one("SELECT 1 FROM runs WHERE name = ?", (name,)):
            raise ArchiveError(f"{self.path} already has a run {name!r}: `evolve resume {name}` goes on with it")
        return name

    def _store_arms(self, run: str, arms: Settings | None) -> None:
        """Store arms, or replace their settings."""
        for arm, settings in (arms or {}).items():
            self._run("DELETE FROM arms WHERE run = ? AND name = ?", (run, arm))
            self._insert("arms", run=run, name=arm, settings=canonical(dict(settings)))

    def _sit(self, run: str, config: Mapping[str, Any]) -> None:
        """Store that a run goes on from here with these settings."""
        (place,) = self._one("SELECT count(*) FROM sittings WHERE run = ?", (run,))
        asked, told = self._one(
            "SELECT coalesce(max(number), 0), coalesce(max(told_order), 0) FROM attempts WHERE run = ?", (run,)
        )
        self._insert(
            "sittings", run=run, place=place, asked=asked, told=told, config=canonical(dict(config)), began=time.time()
        )

    def _update_run(self, run: str, **columns: object) -> None:
        """Change columns of a run that must exist."""
        changes = ", ".join(f"{column} = :{column}" for column in columns)
        if not self._run(f"UPDATE runs SET {changes} WHERE name = :run", {"run": run, **columns}).rowcount:
            raise ArchiveError(self._no_run(run))

    def _update_attempt(self, run: str, attempt: Attempt, state: str, order: int | None) -> None:
        """Bring an attempt's row up to date, making it where `asked` was not called. What was told stays as it is."""
        self.asked(run, attempt.proposal)
        draft = attempt.draft
        columns = {
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
            "drafted": attempt.drafted,
            "program": None if attempt.program is None else attempt.program.digest,
            "order": order,
            "now": time.time(),
        }
        self._run(UPDATE, columns)

    def _store_sources(self, sources: Sources) -> str:
        """Store files once and return their hash."""
        hash, size, files = content(sources)
        self._insert("sources", "hash", hash=hash, bytes=size, files=files)
        return hash

    def _store_evaluation(
        self,
        run: str,
        place: tuple[int, int, Purpose, int],
        draft: Draft,
        digest: str,
        seen: Evaluation,
        bar: float | None = None,
    ) -> None:
        """Store an evaluation with its artifacts; ``place`` is attempt, point, purpose and seed."""
        attempt, point, purpose, seed = place
        ours = "DELETE FROM evaluations WHERE run = ? AND attempt = ? AND point = ? AND status = 'judge_error'"
        self._run(ours, (run, attempt, point))
        (task_digest,) = self._one("SELECT task_digest FROM runs WHERE name = ?", (run,)) or (None,)
        id = self._insert(
            "evaluations",
            "run, attempt, point",
            run=run,
            attempt=attempt,
            point=point,
            purpose=purpose,
            digest=digest,
            source=self._store_sources(draft.sources),
            task_digest=task_digest,
            seed=seed,
            note=clean(draft.note),
            traits=canonical(dict(draft.traits)),
            isolation_reason=clean(seen.isolation_reason),
            stage=seen.stage,
            screen=seen.screen,
            bar=bar,
            cached=seen.cached,
            gpus=canonical(list(seen.gpus)),
            judged_at=time.time(),
            **from_evaluation(seen),
        )
        for artifact in seen.artifacts if id is not None else ():
            name, mime = clean(artifact.name), clean(artifact.mime)
            self._insert("artifacts", evaluation=id, name=name, mime=mime, data=artifact.data)

    def _store_program(self, run: str, program: Program) -> None:
        """Store a program and its metrics, unless an earlier attempt found the same one."""
        id = self._insert(
            "programs",
            "run, digest",
            run=run,
            digest=program.digest,
            source=self._store_sources(program.sources),
            number=program.number,
            parent=program.parent,
            arm=program.arm,
            operator=program.operator,
            island=program.island,
            generation=program.generation,
            status=program.status,
            score=program.score,
            created=time.time(),
            metrics=dump_metrics(program.metrics),
            traits=canonical(dict(program.traits)),
        )
        for name, value in program.metrics.items() if id is not None else ():
            if value == value:  # SQLite has no NaN; the program's own column keeps it
                self._insert("metrics", run=run, digest=program.digest, name=clean(name), value=value)

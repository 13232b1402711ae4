"""Judges a task's seed program and its references, seed by seed and on all slots, into an `evolve.survey.Survey`; and makes what
they are compared with: a reference after tuning, and random search.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from evolve import task as tasks
from evolve.config import Config
from evolve.errors import JudgeError
from evolve.executor import LocalExecutor
from evolve.jail import Confinement
from evolve.operators.tune import constants
from evolve.records import Attempt, Evaluation, Job, Program, Sources, Task
from evolve.session import created, slots_of
from evolve.stages import has_screen, has_validate, takes_seed
from evolve.survey import Measured, Survey

NOISY = 5
"""Evaluations of each program where chance decides that no seed fixes, as where time is measured."""
FEW = 3
"""Seeds, at least, where ``evaluate`` takes one: two leave no idea of the noise."""
IDLE = 200
"""Attempts in a row without a new program after which a tuner has tried what there is."""

Tell = Callable[[str, int, int], object]
"""Told how far things are: what is being done, how much of it is, and of how much."""


def programs(task: Task) -> list[Measured]:
    """Return a task's seed program and its references, not judged yet.

    Raises:
        TaskError: if a program that a baseline names is not there.
    """
    rows = [Measured("the seed program", task.initial)]
    for baseline in task.baselines:
        if baseline.program is None:
            continue
        sources = tasks.reference(task, baseline)
        if sources == task.initial:
            rows[0] = replace(rows[0], name=baseline.name, recorded=baseline.score, program=baseline.program)
        else:
            rows.append(Measured(baseline.name, sources, baseline.score, program=baseline.program))
    return rows


def survey(
    task: Task,
    rows: Sequence[Measured],
    confinement: Confinement,
    *,
    seeds: int | None = None,
    tell: Tell = lambda what, done, of: None,
) -> Survey:
    """Judge programs, the seed program first, on the same seeds and on as many slots as the machine has processors for.

    Args:
        task: what they are programs for.
        rows: the programs.
        confinement: how they are confined.
        seeds: on how many seeds; where not given on the task's own, at least `FEW` where ``evaluate`` takes a seed, and on
            `NOISY` where chance decides that a seed does not fix.
        tell: told of each evaluation.

    Raises:
        JudgeError: when ``evaluate.py`` itself keeps failing.
    """
    with closing(LocalExecutor(task, confinement, slots_of(Config(), task))) as executor:
        judging = Judging(task, executor, tell)
        first, *again = judging.all([Job("again", task.initial, 0, "fresh")] * (executor.slots + 1))
        found = Survey(task, (0,), (replace(rows[0], seen=(first,), again=tuple(again)), *rows[1:]))
        wanted = max(task.stages.repeats, FEW) if takes_seed(task) else task.stages.repeats
        if task.stages.repeats == 1 and found.deterministic is False:
            wanted = NOISY
        count = wanted if seeds is None else seeds
        judged = judging.rows(found.rows, range(count))
        return replace(found, seeds=tuple(range(count)), rows=tuple(judged))


def further(
    found: Survey, confinement: Confinement, *, tune: int = 0, random: int = 0, tell: Tell = lambda what, done, of: None
) -> Survey:
    """Return a survey with what the programs of the folder become by tuning, and with random search, on the same seeds.

    Args:
        found: of a task's seed program and references.
        confinement: how candidates are confined.
        tune: evaluations for tuning each of them; 0 is none.
        random: evaluations of random search; 0 is none.
        tell: told of each evaluation.

    Raises:
        EvolveError: as for `evolve.run`.
    """
    sources = [row for row in found.rows if row.scores and not row.asked]
    made = [tuned(found.task, row, tune, tell) for row in sources] if tune else []
    made += [random_search(found.task, random, tell)] if random else []
    rows = [row for row in made if row is not None]
    if not rows:
        return found
    with closing(LocalExecutor(found.task, confinement, slots_of(Config(), found.task))) as executor:
        judged = Judging(found.task, executor, tell).rows(rows, range(len(found.seeds)))
    return replace(found, rows=(*found.rows, *judged))


class Judging:
    """Judges programs on the slots of an executor, a job for each seed."""

    def __init__(self, task: Task, executor: LocalExecutor, tell: Tell) -> None:
        self._task, self._executor, self._tell = task, executor, tell

    def all(self, jobs: Sequence[Job]) -> list[Evaluation]:
        """Return what the judge saw of each job.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        futures = [self._executor.submit(job) for job in jobs]
        done = 0
        self._tell("judging", 0, len(jobs))
        while done < len(jobs):
            self._executor.pump(1.0)
            self._refuse(futures)
            if (now := sum(future.done() for future in futures)) > done:
                done = now
                self._tell("judging", done, len(jobs))
        return [future.result() for future in futures]

    def rows(self, rows: Sequence[Measured], seeds: range) -> list[Measured]:
        """Return the programs with what the judge saw of them: screened alone, evaluated on each seed, and validated."""
        jobs = [job for place, row in enumerate(rows) for job in self._jobs(place, row, seeds)]
        seen = dict(zip([job.id for job in jobs], self.all(jobs), strict=True))
        return [
            replace(
                row,
                seen=(*row.seen, *(seen[f"{place}/{seed}"] for seed in seeds[len(row.seen) :])),
                screen=seen.get(f"{place}/screen"),
                held_out=seen.get(f"{place}/validate"),
            )
            for place, row in enumerate(rows)
        ]

    def _jobs(self, place: int, row: Measured, seeds: range) -> Iterator[Job]:
        """Yield the jobs of one program that it lacks. A bar that nothing reaches ends a job after its screen."""
        if has_screen(self._task):
            nothing = self._task.score.sign * math.inf
            yield Job(f"{place}/screen", row.sources, seeds[0], "check", bar=nothing)
        for seed in seeds[len(row.seen) :]:
            yield Job(f"{place}/{seed}", row.sources, seed, "fresh")
        if has_validate(self._task):
            yield Job(f"{place}/validate", row.sources, seeds[0], "validate")

    def _refuse(self, futures: Sequence[Future[Evaluation]]) -> None:
        for future in futures:
            if future.done() and future.result().status == "judge_error":
                raise JudgeError(f"evaluate.py of task {self._task.name!r} failed:\n{future.result().error}")


# ---------------------------------------------------------------------- searching


def tuned(task: Task, row: Measured, evaluations: int, tell: Tell = lambda what, done, of: None) -> Measured | None:
    """Return the best that a run with ``builtin/tune`` alone makes of a program; None where it has no constants to tune.

    Raises:
        EvolveError: as for `evolve.run`.
    """
    if not constants(row.sources, task.language).numbers:
        return None
    found = _searched(task, row.sources, {"arms": {"builtin/tune": 1.0}}, evaluations, f"tuning {row.name}", tell)
    return Measured(f"{row.name}, tuned", found)


def random_search(task: Task, evaluations: int, tell: Tell = lambda what, done, of: None) -> Measured:
    """Return the best of a run from the seed program in which no score decides what is changed next: parents are drawn alike from
    all programs that have a score, and changed by ``builtin/mutate``, or ``builtin/tune`` where that does not know the language.

    Raises:
        EvolveError: as for `evolve.run`.
    """
    arm = "builtin/mutate" if task.language == "python" else "builtin/tune"
    search = {"parents": "random", "elites": evaluations + 1, "islands": 1}
    settings = {"arms": {arm: 1.0}, "search": search}
    return Measured("random search", _searched(task, task.initial, settings, evaluations, "random search", tell))


def _searched(
    task: Task, sources: Sources, settings: Mapping[str, Any], evaluations: int, what: str, tell: Tell
) -> Sources:
    """Return the program with the best score of a run, in an archive that is thrown away. It need not be the champion: luck is
    granted to what others are compared with, rather than to them.

    Without a folder of its own the task has neither the settings nor the models that its folder names.
    """
    alone = replace(task, initial=sources, root=Path(), search={}, models={})
    best: Program | None = None
    idle = 0

    def watch(attempt: Attempt) -> None:
        nonlocal best, idle
        idle = 0 if attempt.points else idle + 1
        if attempt.program is not None and (best is None or better(task, attempt.program.score, best.score)):
            best = attempt.program
        tell(what, session.loop.budget.evaluations, evaluations)
        if idle >= IDLE:
            session.loop.drain("there is nothing new to try")

    with tempfile.TemporaryDirectory(prefix="evolve-") as folder:
        nothing = Path(folder) / "evolve.toml"
        nothing.touch()
        flags = {**settings, "budget": {"evaluations": evaluations}}
        with created(alone, flags=flags, config=nothing, seed=0, db=Path(folder) / "evolve.db") as session:
            session.loop.champions.retire()
            session.evolve([watch])
            if session.loop.draining == "interrupted":
                raise KeyboardInterrupt
            start = session.archive.seeds(session.info.name)[0][0].score
            return best.sources if best and better(task, best.score, start) else sources


def better(task: Task, score: float | None, other: float | None) -> bool:
    """Whether a score is better than another one; any is better than none."""
    return score is not None and (other is None or task.score.sign * (score - other) > 0)

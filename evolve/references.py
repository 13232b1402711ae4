"""Judges a task's seed program and its references, seed by seed and on all slots, into an `evolve.survey.Survey`; and makes what
they are compared with: a reference after tuning, and random search.
"""

from __future__ import annotations

import math
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from evolve import task as tasks
from evolve.archive import Archive
from evolve.config import Config
from evolve.errors import JudgeError
from evolve.evaluator import has_screen, has_validate, takes_seed
from evolve.executor import LocalExecutor
from evolve.jail import Confinement
from evolve.normal import digest as digest_of
from evolve.operators.tune import constants
from evolve.records import Attempt, Evaluation, Job, Sources, Task
from evolve.session import INTERRUPTED, Session, created, reopened, slots_of
from evolve.survey import Measured, Survey

NOISY = 5
"""Evaluations of each program where chance decides that no seed fixes, as where time is measured."""
FEW = 3
"""Seeds, at least, where ``evaluate`` takes one: two leave no idea of the noise."""
EVERY = 100_000
"""Elites of an island: more than a search that is compared with has programs."""
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
    found: Survey,
    confinement: Confinement,
    *,
    tune: int = 0,
    random: int = 0,
    db: Path | None = None,
    tell: Tell = lambda what, done, of: None,
) -> Survey:
    """Return a survey with what the programs of the folder become by tuning, and with random search, on the same seeds.

    Args:
        found: of a task's seed program and references.
        confinement: how candidates are confined.
        tune: evaluations for tuning each of them; 0 is none.
        random: evaluations of random search; 0 is none.
        db: the archive that keeps these searches, where they go on if it has their beginnings; one that is thrown away where
            not given.
        tell: told of each evaluation.

    Raises:
        EvolveError: as for `evolve.run`.
    """
    sources = [row for row in found.rows if row.scores and not row.asked]
    level = confinement.level
    made = [tuned(found.task, row, tune, db, tell, level) for row in sources] if tune else []
    made += [random_search(found.task, random, db, tell, level)] if random else []
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


def tuned(
    task: Task,
    row: Measured,
    evaluations: int,
    db: Path | None = None,
    tell: Tell = lambda what, done, of: None,
    isolation: str = "auto",
) -> Measured | None:
    """Return the best that a run with ``builtin/tune`` alone makes of a program; None where it has no constants to tune.

    Raises:
        EvolveError: as for `evolve.run`.
    """
    if not constants(row.sources, task.language).numbers:
        return None
    search = _Search("tuned", f"tuning {row.name}", evaluations, {"arms": {"builtin/tune": 1.0}}, isolation)
    return Measured(f"{row.name}, tuned", _searched(task, row.sources, search, db, tell), searched=True)


def random_search(
    task: Task,
    evaluations: int,
    db: Path | None = None,
    tell: Tell = lambda what, done, of: None,
    isolation: str = "auto",
) -> Measured:
    """Return the best of a run from the seed program in which no score decides what is changed next: parents are drawn alike from
    all programs that have a score, and changed as ``builtin/mutate`` does, or ``builtin/tune`` where that does not know the
    language, without their inner searches.

    Raises:
        EvolveError: as for `evolve.run`.
    """
    # Named as a plugin, an operator drafts only: the inner search of the built-in arm, which follows scores, is left out.
    arm = "evolve.operators.mutate:Mutate" if task.language == "python" else "evolve.operators.tune:Tune"
    # As many elites as there can be programs, and more: the setting stays as it is where a later sitting asks for more.
    parents = {"parents": "random", "elites": EVERY, "islands": 1}
    search = _Search("random", "random search", evaluations, {"arms": {arm: 1.0}, "search": parents}, isolation)
    return Measured("random search", _searched(task, task.initial, search, db, tell), searched=True)


@dataclass(frozen=True)
class _Search:
    """A search to compare with: the beginning of its run's name, how it is told of, how long it is, its settings, and the least
    isolation.
    """

    kind: str
    what: str
    evaluations: int
    settings: Mapping[str, Any]
    isolation: str


def _searched(task: Task, sources: Sources, search: _Search, db: Path | None, tell: Tell) -> Sources:
    """Return the program with the best score of a run. It need not be the champion: luck is granted to what others are compared
    with, rather than to them.

    Without a folder of its own the task has neither the settings nor the models that its folder names.
    """
    digest = sha256(f"{task.digest} alone".encode()).hexdigest()  # of its own: runs of the task do not learn from it
    alone = replace(task, initial=sources, root=Path(), search={}, models={}, digest=digest)
    idle = 0

    def watch(attempt: Attempt) -> None:
        nonlocal idle
        idle = 0 if attempt.points else idle + 1
        tell(search.what, session.loop.budget.evaluations, search.evaluations)
        if idle >= IDLE:
            session.loop.drain("there is nothing new to try")

    with ExitStack() as stack:
        if db is None:
            db = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evolve-"))) / "evolve.db"
        name = _name(alone, search)
        with Archive(db) as archive:
            known = {info.name: info for info in archive.runs()}
        if name not in known or known[name].evaluations < search.evaluations:
            with _opened(alone, name, search, db, new=name not in known) as session:
                session.loop.champions.retire()
                session.evolve([watch])
                if session.loop.draining == INTERRUPTED:
                    raise KeyboardInterrupt
        with Archive(db) as archive:
            return _best(archive, name, task, search.evaluations)


def _name(alone: Task, search: _Search) -> str:
    """Return what a search's run is called: the same only where the task is, and the program that it starts from."""
    start = sha256(f"{alone.digest} {digest_of(alone.initial, alone.language)}".encode()).hexdigest()
    return f"{search.kind}-{re.sub(r'[^a-z0-9]+', '-', alone.name.lower()).strip('-')[:50]}-{start[:8]}"


@contextmanager
def _opened(alone: Task, name: str, search: _Search, db: Path, *, new: bool) -> Iterator[Session]:
    """Begin a search, or open it to go on with it, without the settings of the working folder."""
    now = {"budget": {"evaluations": search.evaluations}, "isolation": search.isolation}
    with ExitStack() as stack:
        if new:
            nothing = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evolve-"))) / "evolve.toml"
            nothing.touch()
            flags = {**search.settings, **now}
            yield stack.enter_context(created(alone, flags=flags, config=nothing, seed=0, name=name, db=db))
        else:
            yield stack.enter_context(reopened(name, db=db, flags=now, task=alone))


def _best(archive: Archive, name: str, task: Task, evaluations: int) -> Sources:
    """Return the program with the best score of a run's first evaluations, or of what it began with: it may have gone on."""
    best = archive.seeds(name)[0][0]
    made = 0
    for attempt in archive.history(name):
        made += int(attempt.cost.evaluations)
        program = attempt.program
        if made <= evaluations and program is not None and better(task, program.score, best.score):
            best = program
    return archive.program(name, best.digest).sources


def better(task: Task, score: float | None, other: float | None) -> bool:
    """Whether a score is better than another one; any is better than none."""
    return score is not None and (other is None or task.score.sign * (score - other) > 0)

"""Replays a run from what was recorded, without judging anything: the same programs, arms and scores must come out.

The run is searched once more in an archive of its own: asks are decided anew and drafts made anew, in the recorded
order; only the evaluations are taken from the rows. Whatever differs is reported with its attempt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from evolve.archive import Archive
from evolve.config import BudgetConfig, Config
from evolve.flight import Flight
from evolve.loop import Loop
from evolve.rebuild import events
from evolve.records import Asked, Attempt, Evaluation, Job, Task

UNBOUNDED = BudgetConfig(evaluations=1 << 62)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay found: attempts and evaluations that were led through, and each difference in a sentence."""

    attempts: int
    evaluations: int
    differences: tuple[str, ...]


class NoExecutor:
    """Judges nothing: a replay that hands a job to the judge is wrong."""

    slots = 1

    def submit(self, job: Job) -> Future[Evaluation]:
        """Refuse."""
        raise AssertionError(f"a replay tried to judge {job.id}")

    def pump(self, timeout: float | None) -> None:
        """Do nothing."""

    def wake(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def replay(archive: Archive, run: str, task: Task) -> Replayed:
    """Lead ``run`` through the search again and compare.

    Args:
        archive: holds the run; it is only read.
        run: its name.
        task: the task as it is now; only its language and score matter, nothing is judged.
    """
    info = archive.run(run)
    config = Config.model_validate(info.config).model_copy(update={"budget": UNBOUNDED})
    with TemporaryDirectory(prefix="evolve-replay-") as folder, Archive(Path(folder) / "replay.db") as copy:
        copy.create_run(run, task, info.seed, info.config)
        loop = Loop(task, copy, run, config, NoExecutor(), seed=info.seed)
        for program, evaluation in archive.seeds(run):
            copy.seeded(run, program, evaluation, info.seed)
            loop.state.count_seed(program)
        return _follow(archive, run, loop)


def _follow(archive: Archive, run: str, loop: Loop) -> Replayed:
    told = (archive.attempt(run, light.proposal.number) for light in archive.history(run))
    underway: dict[int, Attempt] = {}
    differences: list[str] = []
    attempts = evaluations = 0
    for event in events(archive.asks(run), told):
        if isinstance(event, Asked):
            attempt = loop.draft(loop.ask())
            underway[event.number] = attempt
            differences += _compare_asks(archive.attempt(run, event.number), attempt)
            continue
        attempt = underway.pop(event.proposal.number)
        attempts, evaluations = attempts + 1, evaluations + len(event.points)
        if event.points and attempt.stage is None:
            attempt.points = event.points
            same = Flight(attempt, loop.operators[attempt.proposal.arm], loop.task).retrace()
            if same < len(event.points):
                differences.append(
                    f"attempt {event.proposal.number}: point {same} is another program than was recorded"
                )
            loop.budget.release()
        loop.tell(attempt)
        differences += _compare_tells(event, attempt)
    return Replayed(attempts, evaluations, tuple(differences))


def _compare_asks(then: Attempt, now: Attempt) -> Iterator[str]:
    old, new = then.proposal, now.proposal
    pairs = {
        "number": (old.number, new.number),
        "parent": (old.parent.digest, new.parent.digest),
        "inspirations": ([p.digest for p in old.inspirations], [p.digest for p in new.inspirations]),
        "island": (old.island, new.island),
        "arm": (old.arm, new.arm),
        "operator": (old.operator, new.operator),
        "seed": (old.seed, new.seed),
        "draft": (then.digest, now.digest),
    }
    yield from _differing(old.number, pairs)


def _compare_tells(then: Attempt, now: Attempt) -> Iterator[str]:
    old, new = then.program, now.program
    pairs = {
        "stage": (then.stage, now.stage),
        "program": (old and old.digest, new and new.digest),
        "score": (old and old.score, new and new.score),
        "gain": (then.gain, now.gain),
    }
    yield from _differing(then.proposal.number, pairs)


def _differing(number: int, pairs: Mapping[str, tuple[object, object]]) -> Iterator[str]:
    for name, (then, now) in pairs.items():
        if then != now:
            yield f"attempt {number}: {name} was {then!r} and is {now!r}"

"""Replays a run from what was recorded, without judging anything: the same programs, arms and scores must come out.

The run is searched once more in an archive of its own: asks are decided anew, prompts rendered anew and drafts made anew, in
the recorded order; only replies, evaluations, and what clock and ledger said are taken from the rows. Whatever differs
is reported with its attempt.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from tempfile import TemporaryDirectory

from evolve.archive import Archive, RunInfo, Sitting
from evolve.arms import build
from evolve.config import BudgetConfig, Config
from evolve.errors import ArchiveError
from evolve.flight import Flight, board
from evolve.loop import Loop
from evolve.rebuild import earlier_runs, events, priors, recount
from evolve.records import Asked, Attempt, Evaluation, Job, Task
from evolve.seams import Stop

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
        task: the task as it is now; only its language, score and prompts matter, nothing is judged.
    """
    info = archive.run(run)
    with TemporaryDirectory(prefix="evolve-replay-") as folder, Archive(Path(folder) / "replay.db") as copy:
        copy.create_run(run, task, info.seed, info.config)
        with copy.transaction():
            for program, evaluation in archive.seeds(run):
                copy.seeded(run, program, evaluation, info.seed)
            return Again(archive, info, copy, task).follow()


class Again:
    """A run on its second way through the search."""

    def __init__(self, archive: Archive, info: RunInfo, copy: Archive, task: Task) -> None:
        self._archive, self._run, self._seed, self._copy, self._task = archive, info.name, info.seed, copy, task
        self._flights: dict[int, Flight] = {}
        self._differences: list[str] = []
        self._attempts = self._evaluations = 0

    def follow(self) -> Replayed:
        """Follow the recorded order to its end."""
        archive, run = self._archive, self._run
        told = (archive.attempt(run, light.proposal.number) for light in archive.history(run))
        first, *resumes = _used(archive.sittings(run))
        self._sit(first)
        try:
            sat = 0
            for place, event in events(archive.asks(run), told, archive.drafts(run), resumes):
                for sitting in resumes[sat:place]:
                    self._sit(sitting)
                sat = max(sat, place)
                self._lead(event)
        except ArchiveError:
            if not self._differences:
                raise
            self._differences.append("what follows builds on programs that did not come out again")
        return Replayed(self._attempts, self._evaluations, tuple(self._differences))

    def _lead(self, event: Asked | int | Attempt) -> None:
        """Do once more what happened."""
        archive, run = self._archive, self._run
        if isinstance(event, Asked):
            self._ask(archive.attempt(run, event.number))
        elif isinstance(event, int):
            self._draft(archive.attempt(run, event))
        else:
            self._attempts, self._evaluations = self._attempts + 1, self._evaluations + len(event.points)
            self._tell(event)

    def _sit(self, sitting: Sitting) -> None:
        """Begin the run, or go on with it as a resume does: with the settings it had from here on."""
        config = Config.model_validate(sitting.config).model_copy(update={"budget": UNBOUNDED})
        arms = build(config, self._task, asking=False)
        known = priors(earlier_runs(self._archive, self._run), config.bandit.priors)
        self._loop = Loop(
            self._task, self._copy, self._run, config, NoExecutor(), seed=self._seed, arms=arms, priors=known
        )
        asks = takewhile(lambda ask: ask.number <= sitting.asked, self._archive.asks(self._run))
        recount(self._loop, asks, islice(self._archive.history(self._run), sitting.told))
        self._flights = {number: self._board(flight.attempt) for number, flight in self._flights.items()}

    def _board(self, attempt: Attempt) -> Flight:
        return board(attempt, self._loop.arms, self._task)

    def _ask(self, then: Attempt) -> None:
        now = Attempt(self._loop.ask(then.proposal.given))
        self._flights[then.proposal.number] = self._board(now)
        self._differences += _compare_asks(then, now)

    def _draft(self, then: Attempt) -> None:
        """Make the draft again, of the recorded replies."""
        number = then.proposal.number
        flight = self._flights[number]
        rows = {row.turn: row for row in self._archive.conversation(self._run, number) if row.reply is not None}
        prompt = self._loop.drafts.step(flight)
        while prompt is not None:
            row = rows.get(flight.turn)
            if row is None or row.reply is None:  # none came, which ended the attempt
                prompt = self._loop.drafts.step(flight, Stop(then.stage or "draft", then.reason))
                continue
            if (row.prompt.messages, row.prompt.begin) != (prompt.messages, prompt.begin):
                self._differences.append(f"attempt {number}: prompt {flight.turn} is another one than was recorded")
            prompt = self._loop.drafts.step(flight, row.reply)
        self._differences += _differing(number, {"draft": (then.digest, flight.attempt.digest)})

    def _tell(self, then: Attempt) -> None:
        number = then.proposal.number
        now, loop = self._flights[number].attempt, self._loop
        if now.draft is None:
            self._draft(then)
        del self._flights[number]
        if then.points and now.stage is None:
            now.points = then.points
            same = self._board(now).retrace()
            if same < len(then.points):
                self._differences.append(f"attempt {number}: point {same} is another program than was recorded")
            for point in range(len(then.points)):
                loop.archive.judged(self._run, now, point, "tune" if point else "child", 0)
            loop.budget.release()
        elif then.stage == "judge":  # evaluate.py failed on it
            now.stage, now.reason = then.stage, then.reason
        now.dollars, now.tokens, now.seconds = then.dollars, then.tokens, then.seconds
        loop.tell(now)
        self._differences += _compare_tells(then, now)


def _used(sittings: Sequence[Sitting]) -> list[Sitting]:
    """Return the sittings but for those in which nothing was asked or told, as of resumes that failed with their settings."""
    pairs = zip(sittings, [*sittings[1:], None], strict=True)
    return [one for one, after in pairs if after is None or (one.asked, one.told) != (after.asked, after.told)]


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

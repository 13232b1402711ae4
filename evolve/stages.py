"""What a candidate goes through at the judge: which seeds it sees, what its screen must give, whom it races against; and
whether it needs to be judged at all.

The seeds are 0, 1, 2 … for every candidate of every run of a task, so that scores compare across runs and with ``evolve check``;
the seed of a run decides about its search alone. A run that began on another seed, as they once did, stays on it.
"""

from __future__ import annotations

import math
import platform
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from random import Random

from packaging.requirements import Requirement

from evolve.archive import MIXED, Archive
from evolve.flight import Flight
from evolve.jail.levels import LEVELS
from evolve.records import Evaluation, Job, Level, Sources, Task

WINDOW = 200
"""How many screen scores the bar is made of: the latest, because a search gets better."""
FEWEST = 10
"""Screen scores before there is a bar."""


def seeds(task: Task, first: int | None = None) -> tuple[int, ...]:
    """Return the seeds on which every candidate of a task is judged; ``first`` is a run's own, where it has begun."""
    return tuple(range(first or 0, (first or 0) + task.stages.repeats))


def environment(task: Task) -> str:
    """Return the versions that a score depends on beside the task's own files: Python's, and those of the task's packages."""
    found = [f"python {platform.python_version()}"]
    for name in sorted({Requirement(text).name for text in (*task.packages, *task.data)}):
        with suppress(PackageNotFoundError):  # which the judge will say
            found.append(f"{name} {version(name)}")
    return ", ".join(found)


class Screen:
    """What ``screen`` gave lately, and from that the bar for the next candidate.

    Args:
        sign: +1 where larger screen scores are better, -1 where smaller ones are.
        keep: the share of the latest candidates that would reach the bar.
        scores: the latest ones so far, of an earlier session.
    """

    def __init__(self, sign: float, keep: float, scores: Iterable[float] = ()) -> None:
        self._sign, self._keep = sign, keep
        self._scores = deque(scores, maxlen=WINDOW)

    def add(self, score: float | None) -> None:
        """Take note of what ``screen`` gave, if it was asked."""
        if score is not None:
            self._scores.append(score)

    @property
    def bar(self) -> float | None:
        """What the next candidate must reach; None while there are too few scores, or where all are kept."""
        if len(self._scores) < FEWEST or self._keep >= 1.0:
            return None
        best_first = sorted(self._scores, key=lambda score: -self._sign * score)
        return best_first[math.ceil(self._keep * len(best_first)) - 1]


class Jobs:
    """Makes the jobs of a run, and finds what need not be judged.

    Args:
        archive: where evaluations are looked up; ``run`` is the run's name in it.
        task: what is evolved.
        level: how candidates are confined: only evaluations that were confined as well can be used again. None: none can.
    """

    def __init__(self, archive: Archive, run: str, task: Task, level: Level | None) -> None:
        self._archive, self._run, self._task = archive, run, task
        self._seed, *more = seeds(task)
        self._repeats = tuple(more)
        self._levels = () if level is None or task.resources.exclusive else _as_strong(level)
        self._environment = archive.environment(run)
        self.screen = Screen(task.score.sign, task.stages.screen_keep)

    def recall(self) -> None:
        """Take note of the versions that the run is judged with, of the seeds it was judged on, and of what its screen gave."""
        self._environment = self._archive.environment(self._run)
        self._seed, *more = seeds(self._task, self._archive.first_seed(self._run))
        self._repeats = tuple(more)
        stages = self._task.stages
        self.screen = Screen(self._task.score.sign, stages.screen_keep, self._archive.screens(self._run, WINDOW))

    def start(self, place: int, sources: Sources) -> Job:
        """Return the job of a program that the run starts from."""
        return Job(f"{self._run}/seed/{place}", sources, self._seed, "seed", self._repeats)

    def attempt(self, flight: Flight, rival: tuple[float, ...]) -> Job:
        """Return what a flight is to have judged next, in a race against the scores of the best so far."""
        attempt, point = flight.attempt, len(flight.attempt.points)
        if flight.draft is None:
            raise RuntimeError(f"attempt {attempt.proposal.number} has nothing to judge")
        bar = self.screen.bar
        coin = Random(f"{attempt.proposal.seed}/{point}/audit") if bar is not None else None
        return Job(
            f"{self._run}/{attempt.proposal.number}/{point}",
            flight.draft.sources,
            self._seed,
            "tune" if point else "child",
            self._repeats,
            rival if self._repeats else (),
            bar,
            coin is not None and coin.random() < self._task.stages.screen_audit,
        )

    def known(self, digest: str) -> Evaluation | None:
        """Return what the judge saw of the same program in this run or another one of the archive; it costs nothing."""
        if not self._levels or self._environment == MIXED:
            return None
        repeats = 1 + len(self._repeats)
        task, levels, environment = self._task.digest, self._levels, self._environment
        found = self._archive.cached(digest, task, self._seed, repeats, levels, environment)
        return None if found is None else replace(found, cached=True, seconds=0.0, cpu_seconds=None)


def _as_strong(level: Level) -> tuple[Level, ...]:
    """Return the levels in which a score is as hard to forge as in ``level``: `namespaces` and `landlock` are equal in that."""
    return LEVELS[: max(LEVELS.index(level) + 1, 2)]

"""What several programs of a task scored on the same seeds, and what that says: are recorded scores reproduced, is an ordering
reversed, what does an evaluation cost?
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from statistics import mean, median, stdev

from evolve.evaluator import takes_seed
from evolve.racing import Lead
from evolve.racing import lead as interval
from evolve.records import Evaluation, Sources, Task

ERRORS = 2.0
"""Standard errors beyond which a difference is one."""
CONFIDENCE = 0.95
"""Of intervals around the difference between two programs."""
PART = "part "
"""How the metrics of ``validate`` begin that are scores of parts of the hidden data which share nothing: seeds, kinds, texts."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the judge saw of one program.

    Attributes:
        name: for people.
        sources: the program.
        recorded: the score that ``task.toml`` gives it, if it does.
        seen: an evaluation for each seed, in their order.
        again: further ones of the first seed, with nothing changed.
        screen: what the screen alone gave, where the task has one.
        held_out: what ``validate`` gave, likewise.
        program: its place in the task's folder, if it has one.
        asked: whether the others are to be compared with it.
        searched: whether a search of this survey found it: by tuning, or at random.
    """

    name: str
    sources: Sources
    recorded: float | None = None
    seen: tuple[Evaluation, ...] = ()
    again: tuple[Evaluation, ...] = ()
    screen: Evaluation | None = None
    held_out: Evaluation | None = None
    program: str | None = None
    asked: bool = False
    searched: bool = False

    @property
    def failed(self) -> Evaluation | None:
        """The first evaluation that is not ``ok``, that of ``validate`` last."""
        every = (self.screen, *self.seen, self.held_out)
        return next((one for one in every if one is not None and one.status != "ok"), None)

    @property
    def scores(self) -> tuple[float, ...]:
        """The score on each seed; none where one of them has none."""
        scores = tuple(one.score for one in self.seen if one.score is not None)
        return scores if len(scores) == len(self.seen) else ()

    @property
    def hidden(self) -> float | None:
        """What ``validate`` gave."""
        return None if self.held_out is None else self.held_out.score

    @property
    def parts(self) -> dict[str, float]:
        """What ``validate`` gave for each part of the hidden data, where it says so."""
        metrics = {} if self.held_out is None else self.held_out.metrics
        return {name: value for name, value in metrics.items() if name.startswith(PART)}

    @property
    def screened(self) -> float | None:
        """What the screen gave."""
        return None if self.screen is None else self.screen.screen

    @property
    def cpu(self) -> float | None:
        """Processor seconds of one seed, judge and candidate together: the median, since a judge's first one may load data."""
        return _cpu([*self.seen[1:], *self.again] or self.seen)

    @property
    def screen_cpu(self) -> float | None:
        """Processor seconds of its screen."""
        return None if self.screen is None or self.screened is None else _cpu([self.screen])


@dataclass(frozen=True, slots=True)
class Difference:
    """By how much a program is better than another one: the mean over seeds that both have seen, and its standard error, None
    where a single seed says nothing of it.
    """

    mean: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Survey:
    """What the programs of a task scored. The first one is the seed program."""

    task: Task
    seeds: tuple[int, ...]
    rows: tuple[Measured, ...]

    @property
    def seed(self) -> Measured:
        """The task's own seed program."""
        return self.rows[0]

    @property
    def deterministic(self) -> bool | None:
        """Whether the same program on the same seed had the same score each time; None where it had none."""
        if not self.seed.scores or not self.seed.again:
            return None
        return {one.score for one in self.seed.again} == {self.seed.scores[0]}

    def mean(self, row: Measured) -> Difference | None:
        """Return a program's mean score and its standard error; None where it has none."""
        return self._spread(row.scores) if row.scores else None

    def lead(self, row: Measured, other: Measured) -> Difference | None:
        """Return by how much ``row`` is better than ``other``, whatever the direction; None where either has no score."""
        if not row.scores or not other.scores:
            return None
        sign = self.task.score.sign
        return self._spread([sign * (mine - theirs) for mine, theirs in zip(row.scores, other.scores, strict=True)])

    def beats(self, row: Measured, other: Measured) -> Lead | None:
        """Return by how much ``row`` is better than ``other`` with a confidence interval, over the seeds that both have seen;
        None where there are fewer than two.
        """
        return self._interval(row.scores, other.scores)

    def beats_hidden(self, row: Measured, other: Measured) -> Lead | None:
        """Return the same over the parts of the hidden data; None where ``validate`` names fewer than two."""
        common = sorted(row.parts.keys() & other.parts.keys())
        return self._interval([row.parts[name] for name in common], [other.parts[name] for name in common])

    def _interval(self, mine: Sequence[float], theirs: Sequence[float]) -> Lead | None:
        if min(len(mine), len(theirs)) < 2:
            return None
        return interval(self.task.score.sign, mine, theirs, CONFIDENCE)

    def score(self, row: Measured) -> float | None:
        """Return the score that a run would give a program: the mean over the task's own seeds, as far as they were judged."""
        return mean(row.scores[: self.task.stages.repeats]) if row.scores else None

    def agrees(self, row: Measured) -> bool | None:
        """Return whether a program's score is the recorded one; None where nothing is recorded, or too little is known.

        Where equal seeds give equal scores, and all of the task's seeds were judged, it has to be the same in all the digits
        that are written down; elsewhere it may be two standard errors away. Of measured time only orderings can be expected to
        hold on another machine.
        """
        if row.recorded is None or (row.scores and self.task.resources.exclusive):
            return None
        own, noise = self.score(row), self.mean(row)
        if own is None or noise is None:
            return False
        off = abs(own - row.recorded)
        if self.deterministic and len(self.seeds) >= self.task.stages.repeats:
            return off <= precision(row.recorded)
        return None if noise.error is None else off <= ERRORS * noise.error + precision(row.recorded)

    def reversals(self) -> list[tuple[Measured, Measured]]:
        """Return the pairs whose recorded scores differ by more than two standard errors, and which came out the other way round:
        the one that was to be better, then the other.
        """
        found = []
        known = [row for row in self.rows if row.recorded is not None and row.scores]
        for row, other in combinations(known, 2):
            assert row.recorded is not None
            assert other.recorded is not None
            said, seen = self.task.score.sign * (row.recorded - other.recorded), self.lead(row, other)
            assert seen is not None
            if abs(said) > ERRORS * (seen.error or 0.0) and said * seen.mean < 0:
                found.append((row, other) if said > 0 else (other, row))
        return found

    @property
    def reproduced(self) -> bool:
        """Whether every program that has a recorded score has it here, and every ordering holds."""
        return not self.reversals() and not any(self.agrees(row) is False for row in self.rows)

    @property
    def cost(self) -> tuple[float | None, float | None]:
        """Processor seconds of one screen and of one whole evaluation on all of the task's seeds: medians over the programs."""
        screens = [row.screen_cpu for row in self.rows if row.screen_cpu is not None]
        whole = [row.cpu for row in self.rows if row.cpu is not None and row.scores]
        repeats = self.task.stages.repeats
        return (median(screens) if screens else None), (repeats * median(whole) if whole else None)

    def _spread(self, values: Sequence[float]) -> Difference:
        if len(values) > 1:
            return Difference(mean(values), stdev(values) / math.sqrt(len(values)))
        settled = self.deterministic and not takes_seed(self.task)
        return Difference(values[0], 0.0 if settled else None)


def precision(recorded: float) -> float:
    """Return by how much a score may be off that was written down with so many digits."""
    exponent = Decimal(repr(recorded)).as_tuple().exponent
    return max(0.5 * 10.0 ** int(exponent), 1e-9 * abs(recorded))


def _cpu(seen: Sequence[Evaluation]) -> float | None:
    used = [one.cpu_seconds + one.judge_seconds for one in seen
            if one.cpu_seconds is not None and one.judge_seconds is not None and one.status == "ok"]  # fmt: skip
    return median(used) if used else None

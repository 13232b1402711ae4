"""What a report tells of a run, as plain facts: the best program, how it came about, what it cost, what failed, what is doubtful.

Nothing here is HTML. `gather` reads the archive once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from evolve import task as tasks
from evolve.archive import Archive, Champion, RunInfo, Screening, Sitting
from evolve.archive.browsing import Ended
from evolve.archive.evidence import Tuned
from evolve.archive.rows import Spend
from evolve.errors import EvolveError
from evolve.racing import lead
from evolve.records import Artifact, Baseline, Evaluation, Program, Repeat, Task

NEXT = 10
"""Programs behind the best that are compared with it."""
LEAPS = 3
"""Steps of a long lineage that are named first."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of ``n`` values with the ends of its 95 % confidence interval, by Student's t."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Step:
    """A program of the lineage beside its parent. ``gain`` is by how much it is better, None where one of the two has no score;
    ``paired`` the same on the seeds that both were judged on, where there are several.
    """

    program: Program
    parent: Program
    note: str
    gain: float | None
    paired: Interval | None

    @property
    def gained(self) -> bool:
        """Whether the program is better than its parent, as far as scores tell."""
        return self.program.score is not None and (self.gain is None or self.gain > 0)


@dataclass(frozen=True, slots=True)
class Rival:
    """A program behind the best: by how much the best is better, where both were judged on the same seeds with an interval."""

    program: Program
    behind: float | None
    paired: Interval | None
    refused: bool


@dataclass(frozen=True, slots=True)
class Validated:
    """How `validate` ended for the best program."""

    status: str
    score: float | None
    error: str


@dataclass(frozen=True, slots=True)
class Best:
    """The best program of a run. ``seeds`` is its score over the seeds that candidates are judged on, ``fresh`` over others;
    ``line`` leads from where the run started to it. ``waiting`` scored better but were never judged against it.
    """

    program: Program
    evaluation: Evaluation
    verdict: Champion | None
    seeds: Interval | None
    fresh: Interval | None
    validated: Validated | None
    line: tuple[Step, ...]
    rivals: tuple[Rival, ...]
    waiting: tuple[Program, ...]
    artifacts: tuple[Artifact, ...]

    @property
    def gained(self) -> list[Step]:
        """The steps of its lineage that gained."""
        return [step for step in self.line if step.gained]

    @property
    def leaps(self) -> list[Step]:
        """The steps that gained the most, the largest first, where it came in so many that they do not show by themselves."""
        known = [step for step in self.line if step.gain is not None and step.gain > 0]
        return sorted(known, key=lambda step: -(step.gain or 0.0))[:LEAPS] if len(known) > 2 * LEAPS else []

    @property
    def tuned(self) -> bool:
        """Whether it came by tuning alone."""
        return bool(self.line) and all(step.program.arm == "builtin/tune" for step in self.line)


@dataclass(frozen=True, slots=True)
class Facts:
    """A run. ``task`` is as it is on this disk now, None where it is not there; ``digests`` are those under which the run was
    judged. ``best`` is None before there is a program with a score.
    """

    run: RunInfo
    environment: str
    sittings: tuple[Sitting, ...]
    asked: int
    told: int
    objectives: Mapping[str, str]
    task: Task | None
    digests: tuple[str, ...]
    starts: tuple[Program, ...]
    best: Best | None
    tuned: tuple[Tuned, ...]
    verdicts: tuple[Champion, ...]
    spend: tuple[Spend, ...]
    failing: tuple[Ended, ...]
    screening: Screening | None

    @property
    def sign(self) -> float:
        """+1 where a larger score is better, -1 where a smaller one is."""
        return self.run.sign

    @property
    def refused(self) -> list[Champion]:
        """The contenders that were refused."""
        return [one for one in self.verdicts if one.verdict == "refused"]

    @property
    def baselines(self) -> tuple[Baseline, ...]:
        """What others reached at the task, the best first."""
        known = () if self.task is None else self.task.baselines
        return tuple(sorted(known, key=lambda one: -self.sign * one.score))

    @property
    def target(self) -> float | None:
        """The score that is good enough, for the run or the task."""
        own: float | None = self.run.config.get("budget", {}).get("target")
        return own if own is not None or self.task is None else self.task.score.target

    def better(self, score: float | None, other: float | None) -> float | None:
        """Return by how much a score is better than another; None where one is missing."""
        return None if score is None or other is None else self.sign * (score - other)


def gather(archive: Archive, run: str | None = None) -> Facts:
    """Return the facts of a run, the newest where none is named.

    Raises:
        ArchiveError: if there is no such run.
    """
    with archive.transaction("BEGIN"):  # one state of a run that goes on
        info = archive.run(run)
        name = info.name
        asked, told = archive.counts(name)
        return Facts(
            run=info,
            environment=archive.environment(name),
            sittings=tuple(archive.sittings(name)),
            asked=asked,
            told=told,
            objectives=archive.objectives(name),
            task=_task(info),
            digests=tuple(archive.task_digests(name)),
            starts=tuple(archive.starts(name)),
            best=_best(archive, info),
            tuned=tuple(archive.tuned(name)),
            verdicts=tuple(archive.champions(name)),
            spend=tuple(archive.spend(name)),
            failing=tuple(archive.ended(name)),
            screening=archive.screening(name),
        )


def interval(values: Sequence[float]) -> Interval | None:
    """Return the mean of values and how certain it is; None for fewer than two."""
    if len(values) < 2:
        return None
    found = lead(1.0, values, [0.0] * len(values))
    return Interval(found.mean, found.low, found.high, found.n)


def paired(sign: float, own: Sequence[Repeat], other: Sequence[Repeat]) -> Interval | None:
    """Return by how much one program is better than another on the seeds that both were judged on; None for fewer than two."""
    theirs = {one.seed: one.score for one in other}
    return interval([sign * (one.score - theirs[one.seed]) for one in own if one.seed in theirs])


def _task(info: RunInfo) -> Task | None:
    """Return the task as it is now; None where its folder is gone or can no longer be read."""
    try:
        return tasks.load(info.task_path) if info.task_path else None
    except EvolveError:
        return None


def _best(archive: Archive, info: RunInfo) -> Best | None:
    found = archive.best(1 + NEXT, info.name)
    if not found:
        return None
    name, program, others = info.name, found[0], found[1:]
    sign = info.sign
    seen = archive.evaluation(name, program.number, program.digest)
    validations = [one for one in archive.reviews(name, program.digest) if one.purpose == "validate"]
    refused = {one.digest for one in archive.champions(name) if one.verdict == "refused"}

    def rival(other: Program) -> Rival:
        theirs = archive.evaluation(name, other.number, other.digest).repeats
        behind = None if program.score is None or other.score is None else sign * (program.score - other.score)
        return Rival(other, behind, paired(sign, seen.repeats, theirs), other.digest in refused)

    return Best(
        program=program,
        evaluation=seen,
        verdict=archive.verdict(name, program.digest),
        seeds=interval([one.score for one in seen.repeats]),
        fresh=interval([one.score for one in archive.fresh(name, program.digest)]),
        validated=Validated(last.status, last.score, last.error)
        if (last := next(reversed(validations), None))
        else None,
        line=tuple(_line(archive, name, sign, program)),
        rivals=tuple(rival(other) for other in others),
        waiting=()
        if info.repeats == 1 or program.score is None
        else tuple(archive.contenders(name, sign, program.score, NEXT)),
        artifacts=tuple(archive.artifacts(name, program.digest)),
    )


def _line(archive: Archive, run: str, sign: float, program: Program) -> list[Step]:
    """Return the steps that led to a program, the first one first."""
    line = [archive.program(run, one.digest) for one in reversed(archive.lineage(run, program.digest))]
    seen = [archive.evaluations(run, one.digest) for one in line]
    steps = []
    for place, (parent, child) in enumerate(pairwise(line)):
        before, after = (judged[0].evaluation.repeats if judged else () for judged in seen[place : place + 2])
        gain = None if parent.score is None or child.score is None else sign * (child.score - parent.score)
        note = seen[place + 1][0].note if seen[place + 1] else ""
        steps.append(Step(child, parent, note, gain, paired(sign, after, before)))
    return steps

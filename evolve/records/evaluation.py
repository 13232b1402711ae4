"""What a judge is asked, and what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from evolve.records.task import Sources

Status = Literal["ok", "invalid", "crash", "timeout", "memory", "gpu_memory", "protocol", "judge_error"]
"""How an evaluation ended. ``judge_error`` is ours and never held against a program; only ``ok`` has a score."""

Level = Literal["namespaces", "landlock", "rlimits", "none"]

Integrity = Literal["isolated", "best-effort", "same-process"]
"""Whether a candidate could have forged its score: ``isolated`` no; ``best-effort`` a same-user process might have
reached the judge; ``same-process`` the candidate ran where the score was made."""

Fresh = Literal["fork", "process"]
"""Where a candidate's process comes from: a ``fork`` of a warm jail that has imported the task's ``preload``, or a cold
``process`` of its own.
"""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something a judge wants kept beside a score: a picture, a text, an array."""

    name: str
    mime: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What ``evaluate`` returns when a number alone does not say enough. ``score`` is raw, in the task's own direction
    and unit.
    """

    score: float
    metrics: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    artifacts: Mapping[str, str | bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Repeat:
    """What ``evaluate`` gave for one seed."""

    seed: int
    score: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the judge saw of one candidate. ``score`` is None unless ``status`` is ``ok``, and also where it was screened out.

    ``error`` is why it failed, for a person and for the next prompt; ``output`` the tail of what the candidate printed,
    ``log`` of what the judge did. ``seconds`` is wall time in the judge, ``cpu_seconds`` and ``memory`` (bytes, peak)
    are the candidate's tree's where known.

    ``stage`` is how far it came, and ``screen`` what ``screen`` gave. ``repeats`` has an entry per seed where there were
    several; the score is then their mean, or, where a race ended early, the rival's mean plus the mean paired difference.
    ``fresh`` is where its process came from, None without a jail. ``cached``: taken from an earlier evaluation of the same
    program. ``gpus`` are the devices it had, by UUID. ``judge_seconds`` are the processor seconds of the judge itself, where it
    is a process of its own; an archive does not keep them.
    """

    status: Status
    score: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    feedback: str = ""
    artifacts: tuple[Artifact, ...] = ()
    error: str = ""
    output: str = ""
    log: str = ""
    seconds: float = 0.0
    cpu_seconds: float | None = None
    memory: int | None = None
    isolation: Level = "none"
    isolation_reason: str = ""
    integrity: Integrity = "same-process"
    stage: Literal["screen", "evaluate", "validate"] = "evaluate"
    screen: float | None = None
    repeats: tuple[Repeat, ...] = ()
    fresh: Fresh | None = None
    cached: bool = False
    gpus: tuple[str, ...] = ()
    judge_seconds: float | None = None

    @property
    def screened_out(self) -> bool:
        """Whether it ended at the screen without a fault of its own."""
        return self.status == "ok" and self.score is None


@dataclass(frozen=True, slots=True)
class Job:
    """One candidate handed to the judge.

    ``purpose``: ``seed``, ``child``, ``tune`` and ``check`` are screened and evaluated; ``cold`` and ``fresh`` judge a champion
    again, in a cold process or on fresh seeds; ``validate`` runs the task's ``validate`` on it.

    ``repeats`` are seeds beyond ``seed``. ``rival`` are the scores of the best so far on these seeds, raw and in their order:
    a candidate that is clearly worse on the first of them need not see the rest; none given means no race. ``bar`` is the
    screen's score that must be reached, ``audit``: go on although it was not.
    """

    id: str
    sources: Sources
    seed: int
    purpose: Literal["seed", "child", "tune", "check", "cold", "fresh", "validate"] = "child"
    repeats: tuple[int, ...] = ()
    rival: tuple[float, ...] = ()
    bar: float | None = None
    audit: bool = False

    @property
    def seeds(self) -> tuple[int, ...]:
        """All seeds, in the order in which they are used."""
        return (self.seed, *self.repeats)

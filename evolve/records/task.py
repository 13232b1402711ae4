"""What is searched for, and what both sides may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Sources = Mapping[str, str]
"""A program's files: path relative to the program's folder -> text."""

Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One number that a task reports: which way is better, in what unit, within what bounds."""

    name: str
    direction: Direction | None = None
    unit: str = ""
    bounds: tuple[float | None, float | None] = (None, None)
    target: float | None = None

    @property
    def sign(self) -> float:
        """+1 where larger is better, -1 where smaller is: ``sign * value`` is to be maximised."""
        return -1.0 if self.direction == "minimize" else 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one evaluation on one seed may use. Times in seconds, sizes in bytes.

    ``seconds`` bounds the whole evaluation and ``call_seconds`` one call of the candidate, both wall time;
    ``cpu_seconds`` the CPU time of the candidate's whole process tree; ``memory`` that tree's memory, its scratch space
    included; ``processes`` how many of them (threads count); ``output`` what is kept of stdout and stderr; ``reply``
    one call's encoded result; ``scratch`` the files it may write; ``gpu_memory`` what it may take of each leased GPU, all of
    it where None.
    """

    seconds: float = 60.0
    call_seconds: float = 60.0
    cpu_seconds: float = 60.0
    memory: int = 2 << 30
    processes: int = 64
    output: int = 64 << 10
    reply: int = 64 << 20
    scratch: int = 64 << 20
    gpu_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Resources:
    """What one slot holds while it judges: ``cpus`` processors and as many threads per library, ``gpus`` leased devices.

    ``exclusive``: nothing else of evolve is judged on this machine meanwhile, in this run or in another one with such a task;
    for tasks that measure time.
    """

    cpus: int = 1
    gpus: int = 0
    exclusive: bool = False


@dataclass(frozen=True, slots=True)
class Stages:
    """How often and how far a candidate is judged.

    ``repeats`` is on how many seeds, the same for all; a race against the best may end a worse one earlier. ``screen_keep``
    is the share of recent candidates that passes ``screen``, and ``screen_audit`` the share of those held back that is judged
    all the same, so that the screen's mistakes are known.
    """

    repeats: int = 1
    screen_keep: float = 0.5
    screen_audit: float = 0.05


@dataclass(frozen=True, slots=True)
class Baseline:
    """A score that others reached, and where that is written; ``program`` is its file in the task's folder, if there is one."""

    name: str
    score: float
    source: str
    program: str | None = None


@dataclass(frozen=True, slots=True)
class TaskCost:
    """Processor seconds of one ``screen`` and of one whole evaluation, the judge's and the candidate's together, where known."""

    screen: float | None = None
    evaluate: float | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """What is being evolved: a seed program, the script that scores one, and what both may use.

    ``digest`` covers all that decides a score (evaluator, harness, limits, packages): evaluations under another digest
    are not comparable. ``search`` and ``models`` are settings for runs of the task. ``data`` names installed packages that
    hold hidden data: the judge may import them, a jail never sees them. ``settings`` are plain values for the script,
    ``variant`` is which of the task's ``variants`` this is, if any.
    """

    name: str
    brief: str
    root: Path
    entry: str
    language: str
    initial: Sources
    evaluator: Path
    harness: str | None
    score: Metric
    metrics: Mapping[str, Metric]
    limits: Limits
    packages: tuple[str, ...]
    data: tuple[str, ...]
    baselines: tuple[Baseline, ...]
    search: Mapping[str, Any]
    allow_nonfinite: bool
    digest: str
    models: Mapping[str, Any] = field(default_factory=dict)
    preload: tuple[str, ...] = ()
    resources: Resources = Resources()
    stages: Stages = Stages()
    shipped: Mapping[str, str | bytes] = field(default_factory=dict)
    foreign: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    cost: TaskCost = TaskCost()
    variant: str = ""
    variants: tuple[str, ...] = ()

    @property
    def folder(self) -> Path | None:
        """Its folder; None of a task that was made from functions."""
        return None if self.root == Path() else self.root

"""What the archive answers with, and how records become rows and rows records.

Numbers keep full precision: integers and floats are SQLite's own, and JSON holds the shortest text that reads
back as the same float.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from evolve.records import Artifact, Direction, Draft, Evaluation, Program, Sources, Status

RunState = Literal["running", "done", "stopped"]
Purpose = Literal["seed", "child", "tune", "check"]

ID_LENGTH = 10
"""How many characters of a program's digest people see and type."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One search: what it was asked to do and how far it came.

    ``evaluations`` counts those that a budget counts, ``best`` is the best score so far, raw, ``seconds`` the time
    spent running, over all resumes. ``created`` and ``finished`` are seconds since 1970.
    """

    name: str
    task: str
    task_path: str
    task_digest: str
    direction: Direction
    unit: str
    seed: int
    config: Mapping[str, Any]
    version: str
    state: RunState
    reason: str
    created: float
    finished: float | None
    seconds: float
    evaluations: int
    best: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """One evaluation with its place: the attempt (0 and less: a seed), the point within it, what was judged and why."""

    attempt: int
    point: int
    purpose: Purpose
    digest: str
    seed: int
    task_digest: str
    note: str
    judged_at: float
    evaluation: Evaluation


@dataclass(frozen=True, slots=True)
class Failure:
    """An attempt that ended early or an evaluation that failed.

    ``how`` is the stage or the status; ``id`` is None where nothing was drafted.
    """

    run: str
    number: int
    how: str
    reason: str
    arm: str
    operator: str
    id: str | None
    parent: str | None
    at: float | None


@dataclass(frozen=True, slots=True)
class Hit:
    """A program that a search found.

    ``where`` is a file and line of its code, or ``note``, ``feedback`` or ``error``; ``text`` is the line itself.
    """

    run: str
    program: Program
    where: str
    text: str


@dataclass(frozen=True, slots=True)
class Spend:
    """What one arm of a run cost.

    ``counted`` are the evaluations that a budget counts; ``cpu_seconds`` is None where nobody measured it.
    """

    run: str
    arm: str
    attempts: int
    evaluations: int
    counted: int
    seconds: float
    cpu_seconds: float | None


PROGRAM = (
    "p.digest, p.status, p.score, p.metrics, p.number, p.parent, p.arm, p.operator, p.island, p.generation, p.traits"
)
EVALUATION = (
    "e.status, e.score, e.metrics, e.feedback, e.error, e.output, e.log, e.seconds, e.cpu_seconds, e.memory, "
    "e.isolation, e.isolation_reason, e.integrity"
)


def canonical(value: object) -> str:
    """Return the one JSON text of ``value``: sorted keys, no spaces, and ASCII, so that any string can be stored.

    Raises:
        ValueError: for a number that JSON cannot hold.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def clean(text: str) -> str:
    """Return ``text`` with what UTF-8 cannot hold (lone surrogates, from output that is no text) escaped."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def content(sources: Sources) -> tuple[str, int, str]:
    """Return the hash, size in bytes and JSON text of ``sources``."""
    files = canonical(dict(sources))
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in sources.values())
    return hashlib.sha256(files.encode()).hexdigest(), size, files


def dump_metrics(metrics: Mapping[str, float]) -> str:
    """Return metrics as JSON; values that are not finite become strings that ``float`` reads."""
    return canonical({name: value if math.isfinite(value) else repr(float(value)) for name, value in metrics.items()})


def load_metrics(text: str) -> dict[str, float]:
    """Undo `dump_metrics`."""
    return (
        {name: float(value) if isinstance(value, str) else value for name, value in json.loads(text).items()}
        if text != "{}"
        else {}
    )


def load_traits(text: str) -> dict[str, Any]:
    """Return what an operator left; most leave nothing."""
    traits: dict[str, Any] = json.loads(text) if text != "{}" else {}
    return traits


def to_program(row: tuple[Any, ...], files: str | None = None) -> Program:
    """Make a program of the columns `PROGRAM`; without ``files`` it has no sources."""
    digest, status, score, metrics, number, parent, arm, operator, island, generation, traits = row
    return Program(
        digest=digest,
        sources={} if files is None else json.loads(files),
        status=status,
        score=score,
        metrics=load_metrics(metrics),
        number=number,
        parent=parent,
        arm=arm,
        operator=operator,
        island=island,
        generation=generation,
        traits=load_traits(traits),
    )


def to_draft(files: str, note: str, traits: str) -> Draft:
    """Make a draft of its columns."""
    return Draft(json.loads(files), note, load_traits(traits))


def to_evaluation(row: tuple[Any, ...], artifacts: tuple[Artifact, ...] = ()) -> Evaluation:
    """Make an evaluation of the columns `EVALUATION`."""
    status, score, metrics, feedback, error, output, log, seconds, cpu_seconds, memory, isolation, why, integrity = row
    return Evaluation(
        status=status,
        score=score,
        metrics=load_metrics(metrics),
        feedback=feedback,
        artifacts=artifacts,
        error=error,
        output=output,
        log=log,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        memory=memory,
        isolation=isolation,
        isolation_reason=why,
        integrity=integrity,
    )


def light_evaluation(status: Status, score: float | None, metrics: str, seconds: float) -> Evaluation:
    """Make an evaluation without its texts."""
    return Evaluation(status=status, score=score, metrics=load_metrics(metrics), seconds=seconds)

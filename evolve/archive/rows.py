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

from evolve.records import (
    Artifact,
    Direction,
    Draft,
    Evaluation,
    Given,
    Program,
    Prompt,
    Repeat,
    Reply,
    Sources,
    Status,
)
from evolve.records import Purpose as ReplyPurpose

StoredState = Literal["running", "done", "stopped"]
"""What the archive's column says of a run."""
RunState = StoredState | Literal["paused", "cut off"]
"""What people see of it: one that is running in the archive may be paused, or cut off: its process ended without a word."""
ArmState = Literal["ready", "resting", "ended"]
Purpose = Literal["seed", "child", "tune", "check"]
ReplyState = Literal["open", "done", "failed", "uncertain"]


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One search: what it was asked to do and how far it came.

    ``evaluations`` counts those that a budget counts, ``best`` is the score of the best program so far, raw, ``seconds``
    the time spent running, over all resumes. ``created`` and ``finished`` are seconds since 1970. A candidate is judged on
    ``repeats`` seeds; where these are several, the best program is the champion.
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
    repeats: int = 1

    @property
    def sign(self) -> float:
        """+1 where a larger score is better, -1 where a smaller one is."""
        return -1.0 if self.direction == "minimize" else 1.0

    @property
    def asks(self) -> bool:
        """Whether it asks models, which alone read hints."""
        return any(model.get("weight", 1.0) > 0 for model in self.config.get("models", {}).values())

    def _repr_html_(self) -> str:
        from evolve.view.cards import info_html  # for notebooks alone

        return info_html(self)


@dataclass(frozen=True, slots=True)
class Sitting:
    """A stretch of a run with one set of settings: how many attempts had been asked for and told when it began, and when that was
    (seconds since 1970).
    """

    asked: int
    told: int
    config: Mapping[str, Any]
    began: float


@dataclass(frozen=True, slots=True)
class Judged:
    """One evaluation with its place: the attempt (0 and less: a seed), the point within it, what was judged and why; ``bar``
    is what its screen had to give.
    """

    attempt: int
    point: int
    purpose: Purpose
    digest: str
    seed: int
    task_digest: str
    note: str
    judged_at: float
    bar: float | None
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
class Exchanged:
    """One try at asking an arm, with its place in the conversation of its attempt.

    ``dollars`` and ``tokens`` are what counts against the caps, None where no price is known: the reserved maximum of a
    call that is open or uncertain, else what it cost. ``reply`` is None where none came, and ``error`` says why; the files
    of its prompt are those of the attempt's parent and not repeated here.
    """

    turn: int
    tries: int
    arm: str
    state: ReplyState
    prompt: Prompt
    reply: Reply | None
    error: str
    status: int | None
    parameters: Mapping[str, Any]
    reserved_dollars: float | None
    reserved_tokens: int
    dollars: float | None
    tokens: int
    seconds: float
    opened_at: float
    closed_at: float | None
    replayed: bool


@dataclass(frozen=True, slots=True)
class Spend:
    """What one arm of a run cost.

    ``counted`` are the evaluations that a budget counts; ``seconds`` and ``cpu_seconds`` are the judge's, the latter None
    where nobody measured it. ``dollars`` are what its replies cost for sure, ``uncertain_dollars`` the most that calls
    may have cost whose end nobody saw; None where a price is unknown. ``tokens`` count against a cap, uncertain ones too.
    """

    run: str
    arm: str
    attempts: int
    evaluations: int
    counted: int
    seconds: float
    cpu_seconds: float | None
    replies: int
    input_tokens: int
    output_tokens: int
    tokens: int
    dollars: float | None
    uncertain_dollars: float | None
    reply_seconds: float


@dataclass(frozen=True, slots=True)
class ReplySpend:
    """What the calls of one arm for one purpose cost: ``calls`` are ``done``, ``failed`` or ``uncertain``, open ones among
    the last. Dollars as in `Spend`.
    """

    run: str
    arm: str
    purpose: ReplyPurpose
    calls: int
    done: int
    failed: int
    uncertain: int
    input_tokens: int
    output_tokens: int
    tokens: int
    dollars: float | None
    uncertain_dollars: float | None
    seconds: float


@dataclass(frozen=True, slots=True)
class ArmHistory:
    """What an arm achieved with an operator in earlier runs of a task: told attempts, those of them whose child was judged
    ``ok``, those that gained, the sum of their gains, and their cost; ``seconds`` are those of its judge and its replies.
    Unknown dollars count as 0.
    """

    arm: str
    operator: str
    attempts: int
    ok: int
    gained: int
    evaluations: int
    gain: float
    dollars: float
    tokens: int
    seconds: float


PROGRAM = (
    "p.digest, p.status, p.score, p.metrics, p.number, p.parent, p.arm, p.operator, p.island, p.generation, p.traits"
)
EVALUATION = (
    "e.status, e.score, e.metrics, e.feedback, e.error, e.output, e.log, e.seconds, e.cpu_seconds, e.memory, "
    "e.isolation, e.isolation_reason, e.integrity, e.stage, e.screen, e.repeats, e.fresh, e.cached, e.gpus"
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


def dump_repeats(repeats: tuple[Repeat, ...]) -> str:
    """Return what several seeds gave as JSON; most evaluations have one seed, and none of these."""
    return canonical([[repeat.seed, repeat.score, repeat.seconds] for repeat in repeats]) if repeats else "[]"


def load_repeats(text: str) -> tuple[Repeat, ...]:
    """Undo `dump_repeats`."""
    return () if text == "[]" else tuple(Repeat(*repeat) for repeat in json.loads(text))


def load_traits(text: str) -> dict[str, Any]:
    """Return what an operator left; most leave nothing."""
    traits: dict[str, Any] = json.loads(text) if text != "{}" else {}
    return traits


def dump_given(given: Given) -> str:
    """Return what an attempt was given as JSON; most are given nothing."""
    if given == Given():
        return "{}"
    kept = {"barred": list(given.barred), "prices": dict(given.prices)}
    return canonical(kept | ({"hints": list(given.hints)} if given.hints else {}))


def load_given(text: str) -> Given:
    """Undo `dump_given`."""
    if text == "{}":
        return Given()
    kept = json.loads(text)
    return Given(tuple(kept["barred"]), kept["prices"], tuple(kept.get("hints", ())))


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


def from_evaluation(seen: Evaluation) -> dict[str, Any]:
    """Return the columns that every table of evaluations has."""
    return {
        "status": seen.status,
        "score": seen.score,
        "repeats": dump_repeats(seen.repeats),
        "metrics": dump_metrics(seen.metrics),
        "seconds": seen.seconds,
        "cpu_seconds": seen.cpu_seconds,
        "memory": seen.memory,
        "isolation": seen.isolation,
        "integrity": seen.integrity,
        "fresh": seen.fresh,
        "feedback": clean(seen.feedback),
        "error": clean(seen.error),
        "output": clean(seen.output),
        "log": clean(seen.log),
    }


def to_evaluation(row: tuple[Any, ...], artifacts: tuple[Artifact, ...] = ()) -> Evaluation:
    """Make an evaluation of the columns `EVALUATION`."""
    status, score, metrics, feedback, error, output, log, seconds, cpu_seconds, memory, *rest = row
    isolation, why, integrity, stage, screen, repeats, fresh, cached, gpus = rest
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
        stage=stage,
        screen=screen,
        repeats=load_repeats(repeats),
        fresh=fresh,
        cached=bool(cached),
        gpus=() if gpus == "[]" else tuple(json.loads(gpus)),
    )


def light_evaluation(status: Status, score: float | None, metrics: str, seconds: float, cached: int) -> Evaluation:
    """Make an evaluation without its texts."""
    return Evaluation(status=status, score=score, metrics=load_metrics(metrics), seconds=seconds, cached=bool(cached))

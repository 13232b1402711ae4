"""The nouns of a run, in the order the data meets them: frozen, and needing nothing of the rest of the package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Sources = Mapping[str, str]
"""A program's files: path relative to the program's folder -> text."""

Direction = Literal["maximize", "minimize"]
Status = Literal["ok", "invalid", "crash", "timeout", "memory", "gpu_memory", "protocol", "judge_error"]
"""How an evaluation ended. ``judge_error`` is ours and never held against a program; only ``ok`` has a score."""

Level = Literal["namespaces", "landlock", "rlimits", "none"]
Integrity = Literal["isolated", "best-effort", "same-process"]
"""Whether a candidate could have forged its score: ``isolated`` no; ``best-effort`` a same-user process might have
reached the judge; ``same-process`` the candidate ran where the score was made."""

Stage = Literal["ask", "draft", "novelty", "judge"]
"""Where an attempt can end early."""

Purpose = Literal["draft", "correct"]
"""What a reply is for: a child, or the same child again because the first reply could not be used."""

Finish = Literal["stop", "length", "refusal", "other"]

Fresh = Literal["fork", "process"]
"""Where a candidate's process comes from: a ``fork`` of a warm jail that has imported the task's ``preload``, or a cold
``process`` of its own.
"""


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
    """What one evaluation may use. Times in seconds, sizes in bytes.

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
class Program:
    """Source files that were judged and reached the archive. ``digest`` is of the normalised sources and unique in its
    run.

    ``traits`` is what its operator leaves to the operators of its children: plain JSON values, such as step sizes.
    ``children`` is not here: it changes, and the islands count it.
    """

    digest: str
    sources: Sources
    status: Status
    score: float | None
    metrics: Mapping[str, float] = field(default_factory=dict)
    number: int = 0
    parent: str | None = None
    arm: str = "seed"
    operator: str = "seed"
    island: int = 0
    generation: int = 0
    traits: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The name by which people call it: the beginning of its digest."""
        return self.digest[:10]

    @property
    def code(self) -> str:
        """Its text; several files one after the other, each under its path."""
        if len(self.sources) == 1:
            return next(iter(self.sources.values()))
        return "\n".join(f"### FILE {path}\n{text}" for path, text in self.sources.items())


@dataclass(frozen=True, slots=True)
class Given:
    """What clock and ledger said when an attempt was asked for: stored with it, because a replay has neither.

    ``barred`` are the arms that could not be asked, resting or ended. ``prices`` say what a unit of each resource that the
    budget caps (``evaluations``, ``dollars``, ``tokens``, ``seconds``) is worth, the scarcest the most; only their ratios
    matter, and none given means that evaluations alone count.
    """

    barred: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Proposal:
    """One job: everything random about it was decided when it was asked for, on the main thread.

    ``told`` is how many attempts had been told by then, which is what a replay needs. ``seed`` is the source of the
    operator's own random choices. ``tried`` and ``gained`` count the earlier attempts of this arm on this parent, and
    those whose child was better. ``best`` is the best score of the run so far, raw.
    """

    number: int
    parent: Program
    inspirations: tuple[Program, ...]
    island: int
    arm: str
    operator: str
    seed: int
    told: int
    tried: int = 0
    gained: int = 0
    best: float | None = None
    given: Given = Given()


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a proposal is needed to rebuild a run: its number, the tells before it, and what it took."""

    number: int
    told: int
    parent: str
    arm: str
    island: int
    operator: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a model."""

    role: Literal["system", "user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an arm is asked.

    ``begin`` is how the reply must begin, and ``stop`` are the texts that end it. Both are given to the model where its
    endpoint takes them; where it went on from ``begin``, the reply's text holds that too. ``template`` is the SHA-256 of
    the templates it was rendered from. ``files`` are the parent's, for arms that are commands and edit files in place.
    """

    messages: tuple[Message, ...]
    purpose: Purpose = "draft"
    begin: str = ""
    stop: tuple[str, ...] = ()
    template: str = ""
    files: Sources = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reply:
    """What an arm answered. ``text`` holds the answer alone; what a model says while it thinks is ``reasoning``.

    Tokens are as the endpoint counted them, None where it did not say; ``output_tokens`` includes ``reasoning_tokens``,
    and ``input_tokens`` includes ``cached_tokens``. ``finish`` is why it ended: ``length`` is cut off, ``refusal`` the
    endpoint's own word.
    ``dollars`` is None where no price is known. ``note`` says what was odd about it, such as a usage that cannot be.
    """

    text: str
    finish: Finish = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    dollars: float | None = None
    seconds: float = 0.0
    reasoning: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """One try at asking an arm, for the attempt ``number``: its ``turn`` of the conversation, from 0, and the ``tries``
    of that turn before this one.

    ``parameters`` are sent beside the messages, without secrets. ``dollars`` and ``tokens`` are the most that the call may
    cost, reserved before it is sent; ``dollars`` is None where no price is known.
    """

    number: int
    turn: int
    tries: int
    arm: str
    prompt: Prompt
    parameters: Mapping[str, Any] = field(default_factory=dict)
    dollars: float | None = None
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Tried:
    """An earlier attempt as a prompt tells of it. ``how`` is the status of its child, or the stage at which it ended
    early; ``reason`` is the error or why it ended. ``gain`` is by how much it was better than its parent (signed so that
    more is better), None where either has no score.
    """

    number: int
    arm: str
    operator: str
    how: str
    note: str
    reason: str = ""
    score: float | None = None
    gain: float | None = None


@dataclass(frozen=True, slots=True)
class Background:
    """What the archive knows that helps to change a parent, as it stood when the attempt was asked for.

    ``evaluation`` is the parent's own. ``tried`` are the latest attempts on the same parent, the newest first; ``line`` the
    steps that led to the parent, the newest first, each with what it changed and gained.
    """

    evaluation: Evaluation
    tried: tuple[Tried, ...] = ()
    line: tuple[Tried, ...] = ()


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attempt took of each resource that a budget can cap; ``seconds`` are those of its judge and its replies."""

    evaluations: float = 0.0
    dollars: float = 0.0
    tokens: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Draft:
    """A child that is not judged yet. ``note`` says in a line what was changed; ``traits`` go to the program."""

    sources: Sources
    note: str = ""
    traits: Mapping[str, Any] = field(default_factory=dict)


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


@dataclass(frozen=True, slots=True)
class Point:
    """One evaluation of an attempt: the draft that was judged and what the judge saw. Point 0 is the child itself."""

    draft: Draft
    digest: str
    evaluation: Evaluation


@dataclass(slots=True)
class Attempt:
    """What became of a proposal, filled stage by stage. ``stage`` and ``reason`` say where and why it ended early, if
    it did.

    ``points`` holds every evaluation made for it: the child, then what an inner optimiser tried. ``program`` is the
    best of them, once told. ``gain`` is the bandit's reward in [0, 1]. ``drafted`` is how many attempts had been told when
    the draft was committed. ``dollars``, ``tokens`` and ``seconds`` are what its replies cost, uncertain ones at their most.
    """

    proposal: Proposal
    draft: Draft | None = None
    digest: str | None = None
    points: list[Point] = field(default_factory=list)
    stage: Stage | None = None
    reason: str = ""
    program: Program | None = None
    gain: float | None = None
    drafted: int | None = None
    dollars: float = 0.0
    tokens: int = 0
    seconds: float = 0.0

    @property
    def cost(self) -> Cost:
        """What the attempt took, its evaluations included; those that the archive knew took nothing."""
        judged = sum(point.evaluation.seconds for point in self.points)
        made = sum(not point.evaluation.cached for point in self.points)
        return Cost(float(made), self.dollars, float(self.tokens), self.seconds + judged)

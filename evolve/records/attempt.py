"""A program, and how an attempt at a better one goes: asked for, drafted, judged, told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from evolve.records.evaluation import Evaluation, Status
from evolve.records.task import Sources

Stage = Literal["ask", "draft", "novelty", "judge"]
"""Where an attempt can end early."""

ID_LENGTH = 10
"""How many characters of a program's digest people see and type."""


def short_id(digest: str) -> str:
    """Return the name by which people call a program: the beginning of its digest."""
    return digest[:ID_LENGTH]


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
        return short_id(self.digest)

    @property
    def code(self) -> str:
        """Its text; several files one after the other, each under its path."""
        if len(self.sources) == 1:
            return next(iter(self.sources.values()))
        return "\n".join(f"### FILE {path}\n{text}" for path, text in self.sources.items())

    def _repr_html_(self) -> str:
        from evolve.view.cards import program_html  # for notebooks alone: records need nothing of the rest

        return program_html(self)


@dataclass(frozen=True, slots=True)
class Given:
    """What clock, ledger and people said when an attempt was asked for: stored with it, because a replay has none of them.

    ``barred`` are the arms that could not be asked, resting or ended. ``prices`` say what a unit of each resource that the
    budget caps (``evaluations``, ``dollars``, ``tokens``, ``seconds``) is worth, the scarcest the most; only their ratios
    matter, and none given means that evaluations alone count. ``hints`` are what people want the model to know.
    """

    barred: tuple[str, ...] = ()
    prices: Mapping[str, float] = field(default_factory=dict)
    hints: tuple[str, ...] = ()


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

"""The places where a run can be changed: each one or two methods wide, and any object of the right shape fits.

ParentSampler   which program to change        parents.py
Bandit          which arm changes it           bandit.py
Operator        how it is changed              operators/
Novelty         whether the child is new       novelty.py
Executor        where a child is judged        executor/
Observer        who is told                    watch.py
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future
from random import Random
from typing import Protocol, runtime_checkable

from evolve.records import Attempt, Draft, Evaluation, Job, Program, Proposal, Sources, Stage, Task


class Stop(Exception):  # noqa: N818 - the end of one child's life is no error
    """Raised inside a stage to end one child's life early; caught at one line of the loop, where it becomes a row."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage: Stage = stage
        self.reason = reason


class Population(Protocol):
    """What a parent sampler sees of an island: its elites, best first, and how often each was asked for."""

    @property
    def elites(self) -> Sequence[Program]:
        """The programs with a score, best first."""

    def children(self, program: Program) -> int:
        """How many attempts have taken ``program`` as their parent, counted when asked."""


class ParentSampler(Protocol):
    """Chooses the program to change."""

    def sample(self, population: Population, rng: Random) -> Program:
        """Return one of ``population.elites``, which is never empty."""


class Bandit(Protocol):
    """Chooses among arms by what they achieved. Rebuilt from rows: it holds nothing that `pull` and `tell` did not say."""

    def pick(self, rng: Random) -> str:
        """Return the arm of the next attempt; changes nothing."""

    def pull(self, arm: str) -> None:
        """Count one attempt of ``arm``, when it is asked for."""

    def tell(self, arm: str, gain: float, cost: float) -> None:
        """Credit ``arm`` with a gain in [0, 1] that cost ``cost`` evaluations; a failed attempt is a gain of 0, not a
        missing one.
        """


Points = Generator[Draft, Evaluation, None]
"""The further points of an inner optimiser: yields drafts to judge, is sent what the judge saw of each."""


class Operator(Protocol):
    """Turns a proposal into a draft. Deterministic given the proposal: its seed is the only source of chance."""

    def draft(self, proposal: Proposal, task: Task) -> Draft:
        """Return the child.

        Raises:
            Stop: with stage ``draft`` when the parent offers nothing to change.
        """


@runtime_checkable
class Tuner(Protocol):
    """An operator that goes on after its child was judged, within the same attempt."""

    def points(self, proposal: Proposal, task: Task, child: Draft, evaluation: Evaluation) -> Points:
        """Yield further drafts derived from ``child``, each judged and counted; end at once where none is worth it."""


class Novelty(Protocol):
    """Says whether a draft is new enough to be judged."""

    def check(self, proposal: Proposal, sources: Sources, digest: str) -> None:
        """Return if it is.

        Raises:
            Stop: with stage ``novelty`` if not.
        """


class Executor(Protocol):
    """Where candidates are judged. All methods are called from the thread that made the executor."""

    @property
    def slots(self) -> int:
        """How many candidates can be judged at the same time."""

    def submit(self, job: Job) -> Future[Evaluation]:
        """Judge ``job`` as soon as a slot is free. The future never holds an exception of the candidate's: those are
        statuses.
        """

    def pump(self, timeout: float | None) -> None:
        """Move work forward and return when some future is done, `wake` was called, or ``timeout`` seconds have passed."""

    def wake(self) -> None:
        """Make a blocked `pump` return. The only method that any thread, or a signal handler, may call."""

    def close(self) -> None:
        """Kill what still runs and free every slot. May be called twice."""


class Observer(Protocol):
    """Told of every attempt once it is in the archive."""

    def __call__(self, attempt: Attempt, /) -> None:
        """Take note of ``attempt``."""

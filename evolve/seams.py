"""The places where a run can be changed: each one or two methods wide, and any object of the right shape fits. Samplers, bandits
and operators of yours are named in the settings of a run: `evolve.plugins`.

ParentSampler   which program to change        parents.py
Bandit          which arm changes it           bandit.py
Operator        how it is changed              operators/, without a model
Writer          how it is changed              operators/, by asking a model
Client          how a model is asked           client/
Novelty         whether the child is new       novelty.py
Executor        where a child is judged        executor/
Observer        who is told                    watch.py
Tracker         who keeps a record elsewhere   track.py
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol, runtime_checkable

from evolve.records import (
    Attempt,
    Background,
    Draft,
    Evaluation,
    Job,
    Program,
    Prompt,
    Proposal,
    Reply,
    Sources,
    Stage,
    Task,
)


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
    """Chooses among arms and their operators by what they achieved. Rebuilt from rows: it holds nothing that `pull` and
    `tell` did not say.
    """

    def pick(self, offers: Mapping[str, Sequence[str]], prices: Mapping[str, float], rng: Random) -> tuple[str, str]:
        """Return the arm and the operator of the next attempt; changes nothing.

        Args:
            offers: the operators that each arm has to offer now; barred arms are left out.
            prices: what a unit of each resource is worth now, as in `Given`.
            rng: breaks ties.
        """

    def pull(self, arm: str, operator: str) -> None:
        """Count one attempt, when it is asked for."""

    def tell(self, attempt: Attempt) -> None:
        """Credit arm and operator of an attempt with its gain in [0, 1] and its cost; a failed attempt is a gain of 0, not
        a missing one.
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


Exchange = Generator[Prompt, Reply, Draft]
"""A conversation: yields prompts, is sent the reply to each, returns the draft."""


@runtime_checkable
class Writer(Protocol):
    """An operator that asks a model. Deterministic given the proposal, the background and the replies."""

    def write(self, proposal: Proposal, task: Task, background: Background) -> Exchange:
        """Yield prompts and return the child.

        Raises:
            Stop: with stage ``draft`` when the replies cannot be used.
        """


class CallFailed(Exception):  # noqa: N818 - what a service does is no error of ours
    """A call that brought no reply.

    Attributes:
        reason: what happened, for a person, without secrets.
        status: the HTTP status, if there was one.
        permanent: asking again cannot help (a wrong key, an unknown model): the arm is to end.
        charged: whether the service may have charged for it, as for a reply that broke off.
        retry_after: the seconds that the service asked to wait.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        permanent: bool = False,
        charged: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status
        self.permanent, self.charged, self.retry_after = permanent, charged, retry_after


class Client(Protocol):
    """Asks one model. Used from several threads at a time."""

    @property
    def max_tokens(self) -> int:
        """The most tokens that one reply may have; 0 for a command, whose tokens nobody counts."""

    def parameters(self, prompt: Prompt) -> Mapping[str, Any]:
        """Return what is sent beside the messages: plain JSON values, no secrets."""

    def send(self, prompt: Prompt) -> Reply:
        """Ask once, without trying again, within the model's time limit; the reply has no ``dollars`` yet.

        Raises:
            CallFailed: if no reply came.
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
        """Judge ``job`` as soon as a slot is free; until then the future can be cancelled. It never holds an exception of the
        candidate's: those are statuses.
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


@runtime_checkable
class Listener(Protocol):
    """An observer that is also told what happens between attempts, such as a model that rests or has ended."""

    def notice(self, text: str) -> None:
        """Take note of a sentence for people."""


class Ledger(Protocol):
    """What a run has come to, at any moment: the numbers that its budget goes by."""

    @property
    def best(self) -> float | None:
        """The best score so far, raw."""

    @property
    def evaluations(self) -> int:
        """Evaluations made."""

    @property
    def dollars(self) -> float:
        """Dollars paid, uncertain ones at their most."""

    @property
    def tokens(self) -> int:
        """Tokens of prompts and replies."""

    @property
    def seconds(self) -> float:
        """Wall time, over all sittings."""


@dataclass(frozen=True, slots=True)
class Beginning:
    """What a tracker is told when a sitting at a run begins: a new run, or one that is resumed.

    ``run`` is its name in the archive, ``key`` names it everywhere: equal for all sittings of a run, other for any other run.
    ``config`` holds the resolved settings as plain JSON values, without secrets. ``pulls`` is how many attempts of each arm had
    been told before. ``ledger`` goes on to say what the run has come to. ``say`` shows a sentence to whoever watches.
    """

    run: str
    key: str
    task: Task
    config: Mapping[str, Any]
    seed: int
    pulls: Mapping[str, int]
    ledger: Ledger
    say: Callable[[str], None]

    @property
    def told(self) -> int:
        """How many attempts had been told before."""
        return sum(self.pulls.values())


@dataclass(frozen=True, slots=True)
class Ending:
    """What a tracker is told when a sitting ends: why, whether by an error, and the best program of the run."""

    reason: str
    failed: bool
    best: Program


@runtime_checkable
class Tracker(Protocol):
    """An observer that keeps a record of whole runs elsewhere, such as in Weights & Biases or MLflow.

    What breaks inside ``package`` does not end the run: it is said once, and the tracker is left in peace from then on. What
    breaks in the tracker itself is a traceback, as with any observer.
    """

    @property
    def package(self) -> str:
        """The package that it stands on, as it is imported."""

    def begin(self, beginning: Beginning, /) -> None:
        """Take note that a sitting begins."""

    def __call__(self, attempt: Attempt, /) -> None:
        """Take note of ``attempt``, which is in the archive."""

    def end(self, ending: Ending, /) -> None:
        """Take note that the sitting ends. Not called where `begin` broke."""

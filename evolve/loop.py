"""The evolutionary loop, as the papers draw it.

    ask    main thread   an island's turn, a parent, inspirations, an arm: everything random is decided here
    draft  operator      the child; refused if it is not new; committed before it is judged
    judge  slots         the child, then what an inner optimiser tries; each point counted and committed
    tell   main thread   archive, islands, bandit, observers

A child that ends early raises `Stop`, caught at one line, and becomes a row. The main thread is the only writer of the
archive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from random import Random
from types import TracebackType

from evolve.archive import Archive
from evolve.bandit import BANDITS, gain
from evolve.budget import Budget
from evolve.config import Config
from evolve.errors import ConfigError, JudgeError
from evolve.islands import Islands
from evolve.normal import digest as digest_of
from evolve.novelty import Duplicate, Ladder, NearCopy
from evolve.operators import BUILTIN
from evolve.parents import SAMPLERS, inspirations
from evolve.records import Attempt, Draft, Evaluation, Job, Point, Program, Proposal, Sources, Task
from evolve.seams import Executor, Observer, Operator, Points, Stop, Tuner


@dataclass(slots=True)
class Flight:
    """An attempt between ask and tell: the draft that is being judged, and the inner optimiser that may yield more."""

    attempt: Attempt
    draft: Draft | None = None
    points: Points | None = None
    future: Future[Evaluation] | None = None


class Loop:
    """One run: `evolve` drives it to its end, or `ask`, `work` and `tell` from a loop of your own, all from one thread.

    Args:
        task: what is evolved.
        archive: where everything is kept; ``run`` is the run's name in it.
        config: the resolved settings, ``seed`` the source of every random choice.
        executor: judges the candidates; the caller closes it.
        operators: the arms' operators by name; the built-in ones if None.
        observers: told of each attempt once it is in the archive.
        seconds: the time that earlier sessions of the run took.
    """

    def __init__(
        self,
        task: Task,
        archive: Archive,
        run: str,
        config: Config,
        executor: Executor,
        *,
        seed: int,
        operators: Mapping[str, Operator] | None = None,
        observers: Sequence[Observer] = (),
        seconds: float = 0.0,
    ) -> None:
        self.task, self.archive, self.run, self.config, self.seed = task, archive, run, config, seed
        self.executor, self.observers = executor, observers
        self.operators = BUILTIN if operators is None else operators
        unknown = [arm for arm, weight in config.arms.items() if weight > 0 and arm not in self.operators]
        if unknown or not any(config.arms.values()):
            raise ConfigError(
                f"arms: {unknown[0] if unknown else 'none'} cannot be used; known: {', '.join(self.operators)}"
            )
        search = config.search
        self.sampler = SAMPLERS[search.parents](task.score, search)
        self.bandit = BANDITS[config.bandit.kind](config.arms, config.bandit)
        self.islands = Islands(
            task.score,
            count=search.islands,
            capacity=search.elites,
            migrate_every=search.migrate_every,
            migrate_share=search.migrate_share,
            seed=seed,
        )
        self.novelty = Ladder(
            (
                Duplicate(lambda digest: archive.known(run, digest)),
                NearCopy(
                    lambda island: map(self.whole, self.islands.islands[island].elites), config.novelty.similarity
                ),
            )
        )
        self.budget = Budget(config.budget, task.score, seconds_before=seconds)
        self.asked = 0
        self.told = 0
        self.flights: list[Flight] = []
        self.draining = ""

    def __enter__(self) -> Loop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.executor.close()

    # ------------------------------------------------------------------ the heart

    def evolve(self) -> str:
        """Run until the budget is spent or `drain` was called, and return which.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing; what was in flight is adopted by the next resume.
        """
        while True:
            while self.wants_more():
                self._launch(self.draft(self.ask()))
            if not self.flights:
                return self.draining or self.budget.spent()
            self.executor.pump(1.0)
            for flight in [flight for flight in self.flights if flight.future is None or flight.future.done()]:
                self._advance(flight)

    def ask(self) -> Proposal:
        """Decide everything random about the next attempt, and reserve its evaluation.

        Raises:
            ConfigError: if the budget is spent.
        """
        if not self.budget.reserve():
            raise ConfigError(f"the budget is spent ({self.budget.spent()}); resume with a larger one")
        number = self.asked + 1
        rng = Random(f"{self.seed}/{number}")
        island = self.islands.turn(number)
        parent = self.sampler.sample(island, rng)
        arm = self.bandit.pick(rng)
        tally = island.tally(parent.digest)
        proposal = Proposal(
            number=number,
            parent=self.whole(parent),
            inspirations=tuple(
                map(self.whole, inspirations(island.elites, parent, self.config.search.inspirations, rng))
            ),
            island=island.number,
            arm=arm,
            operator=arm.rpartition("/")[2],
            seed=rng.getrandbits(53),
            told=self.told,
            tried=tally.tried.get(arm, 0) if tally else 0,
            gained=tally.gained.get(arm, 0) if tally else 0,
            best=self.budget.best,
        )
        self.count_ask(number, arm, parent.digest, island.number)
        return proposal

    def work(self, proposal: Proposal) -> Attempt:
        """Draft and judge ``proposal`` to its end; `tell` the attempt afterwards."""
        flight = self._launch(self.draft(proposal), tell=False)
        while flight in self.flights:
            self.executor.pump(1.0)
            if flight.future is not None and flight.future.done():
                self._advance(flight, tell=False)
        return flight.attempt

    def tell(self, attempt: Attempt) -> None:
        """Store what became of an attempt, and let islands, bandit and observers learn from it."""
        proposal = attempt.proposal
        attempt.program = self._program(attempt)
        island = self.islands.islands[proposal.island]
        attempt.gain = gain(self.task.score, attempt.program, proposal.parent, island.elites, self.budget.best)
        with self.archive.transaction():
            if attempt.points:
                self._commit_point(attempt)
            self.archive.told(self.run, attempt, self.told + 1)
            self.archive.finish(self.run, "running", "", self.budget.seconds)
        if not attempt.points:
            self.budget.release()
        self.count_tell(attempt)
        for observe in self.observers:
            observe(attempt)

    # ------------------------------------------------------------------ stages

    def draft(self, proposal: Proposal) -> Attempt:
        """Return the attempt with its draft, committed, or stopped on the way there: the one line that catches a
        `Stop`.
        """
        attempt = Attempt(proposal)
        try:
            attempt.draft = self.operators[proposal.arm].draft(proposal, self.task)
            attempt.digest = digest_of(attempt.draft.sources, self.task.language)
            self.novelty.check(proposal, attempt.draft.sources, attempt.digest)
        except Stop as stop:
            attempt.stage, attempt.reason = stop.stage, stop.reason
        if attempt.stage is None:
            self.archive.drafted(self.run, attempt)
        return attempt

    def _launch(self, attempt: Attempt, *, tell: bool = True) -> Flight:
        """Hand a drafted attempt to the judge; one that ended early is told at once."""
        flight = Flight(attempt)
        if attempt.draft is not None and attempt.stage is None:
            self.flights.append(flight)
            self._submit(flight, attempt.draft)
        elif tell:
            self.tell(attempt)
        return flight

    def _submit(self, flight: Flight, draft: Draft) -> None:
        number, point = flight.attempt.proposal.number, len(flight.attempt.points)
        flight.draft = draft
        flight.future = self.executor.submit(
            Job(f"{self.run}/{number}/{point}", draft.sources, self.seed, "tune" if point else "child")
        )

    def _advance(self, flight: Flight, *, tell: bool = True) -> None:
        """Take what the judge saw; judge the next point, or end the attempt."""
        if flight.future is None or flight.draft is None:
            raise RuntimeError(f"attempt {flight.attempt.proposal.number} has nothing at the judge")
        evaluation = flight.future.result()
        if evaluation.status == "judge_error":
            raise JudgeError(
                f"evaluate.py of task {self.task.name!r} failed, and not because of the candidate:\n{evaluation.error}"
            )
        attempt = flight.attempt
        digest = attempt.digest if not attempt.points else digest_of(flight.draft.sources, self.task.language)
        attempt.points.append(Point(flight.draft, digest or "", evaluation))
        self.budget.charge()
        following = self._next(flight, evaluation)
        if following is not None:
            self._commit_point(attempt)
            self._submit(flight, following)
            return
        self.flights.remove(flight)
        if tell:
            self.tell(attempt)

    def _next(self, flight: Flight, evaluation: Evaluation) -> Draft | None:
        """Return the next point of the arm's inner optimiser, with its evaluation reserved; None at its end."""
        operator = self.operators[flight.attempt.proposal.arm]
        if not isinstance(operator, Tuner):
            return None
        if self.draining or self.budget.spent():
            return None
        following = self._step(flight, operator, evaluation)
        return following if following is not None and self.budget.reserve() else None

    def _step(self, flight: Flight, operator: Tuner, evaluation: Evaluation) -> Draft | None:
        attempt = flight.attempt
        try:
            if flight.points is None:
                if attempt.draft is None:
                    return None
                flight.points = operator.points(attempt.proposal, self.task, attempt.draft, evaluation)
                return next(flight.points)
            return flight.points.send(evaluation)
        except StopIteration:
            return None

    def _commit_point(self, attempt: Attempt) -> None:
        point = len(attempt.points) - 1
        self.archive.judged(self.run, attempt, point, "tune" if point else "child", self.seed)

    def _program(self, attempt: Attempt) -> Program | None:
        """Return the best of an attempt's points as a program; the child itself where none has a score."""
        if not attempt.points:
            return None
        proposal, sign = attempt.proposal, self.task.score.sign
        new = [point for point in attempt.points if not self.archive.holds(self.run, point.digest)]
        if not new:
            return None
        scored = [point for point in new if point.evaluation.score is not None]
        chosen = max(scored, key=lambda point: sign * (point.evaluation.score or 0.0)) if scored else new[0]
        return Program(
            digest=chosen.digest,
            sources=chosen.draft.sources,
            status=chosen.evaluation.status,
            score=chosen.evaluation.score,
            metrics=chosen.evaluation.metrics,
            number=proposal.number,
            parent=proposal.parent.digest,
            arm=proposal.arm,
            operator=proposal.operator,
            island=proposal.island,
            generation=proposal.parent.generation + 1,
            traits=chosen.draft.traits,
        )

    # ------------------------------------------------------------------ state, as asks and tells change it

    def count_ask(self, number: int, arm: str, parent: str, island: int) -> None:
        """Take note that an attempt was asked for; `tell` and the rebuilding of a run from its rows share this and
        `count_tell`.
        """
        self.asked = number
        self.bandit.pull(arm)
        self.islands.asked(parent, island)

    def count_tell(self, attempt: Attempt) -> None:
        """Take note of how an attempt ended."""
        proposal, program = attempt.proposal, attempt.program
        self.told += 1
        improved = bool(attempt.gain)
        self.bandit.tell(proposal.arm, attempt.gain or 0.0, float(len(attempt.points)))
        self.islands.told(program, proposal.parent.digest, proposal.arm, proposal.island, improved)
        if program is not None:
            self.budget.scored(program.score)
        if not attempt.points:
            self.budget.idle()

    def count_seed(self, program: Program) -> None:
        """Let a program that the run starts from into every island."""
        self.islands.seeded(program)
        self.budget.scored(program.score)

    def adopt(self, attempt: Attempt) -> None:
        """Take over an attempt that an earlier session drafted and did not tell: nothing that was judged is judged
        again.

        Raises:
            ConfigError: if the budget has become too small for it.
        """
        flight = Flight(attempt)
        _, following = self.retrace(flight)
        if following is not None and self.budget.reserve():
            self.flights.append(flight)
            self._submit(flight, following)
        elif attempt.points:
            self.tell(attempt)
        else:
            raise ConfigError(
                f"{self.budget.evaluations} evaluations were made and more are under way: "
                f"give a budget larger than {self.budget.cap}"
            )

    def retrace(self, flight: Flight) -> tuple[int, Draft | None]:
        """Lead the evaluations that an attempt has already through its inner optimiser again.

        Returns:
            How many of its points came out as they were recorded, and what would be judged next, if anything.
        """
        attempt = flight.attempt
        operator = self.operators.get(attempt.proposal.arm)
        following = attempt.draft
        for place, point in enumerate(attempt.points):
            if following is None or following.sources != point.draft.sources:
                return place, None
            following = self._step(flight, operator, point.evaluation) if isinstance(operator, Tuner) else None
        return len(attempt.points), following

    # ------------------------------------------------------------------ helpers

    def start(self, seeds: Sequence[tuple[str, Sources]]) -> None:
        """Judge the programs that the run starts from, which the budget does not count, and store them.

        Args:
            seeds: (name, files) of each; the first is the task's own seed, which must succeed.

        Raises:
            ConfigError: if the first fails, with what the judge saw.
        """
        for place, (name, sources) in enumerate(seeds):
            digest = digest_of(sources, self.task.language)
            if self.archive.known(self.run, digest) is not None:
                continue
            evaluation = self.judge(Job(f"{self.run}/seed/{place}", sources, self.seed, "seed"))
            if evaluation.score is None and place == 0:
                raise ConfigError(
                    f"the seed program of {self.task.name!r} ends as {evaluation.status}: "
                    f"{evaluation.error or evaluation.feedback}"
                )
            program = Program(
                digest, sources, evaluation.status, evaluation.score, evaluation.metrics, number=-place, operator=name
            )
            self.archive.seeded(self.run, program, evaluation, self.seed)
            self.count_seed(program)

    def judge(self, job: Job) -> Evaluation:
        """Judge one candidate and wait for it.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        future = self.executor.submit(job)
        while not future.done():
            self.executor.pump(1.0)
        evaluation = future.result()
        if evaluation.status == "judge_error":
            raise JudgeError(
                f"evaluate.py of task {self.task.name!r} failed, and not because of the candidate:\n{evaluation.error}"
            )
        return evaluation

    def whole(self, program: Program) -> Program:
        """Return ``program`` with its sources, which a run rebuilt from rows loads only when they are needed."""
        return (
            program
            if program.sources
            else replace(program, sources=self.archive.program(self.run, program.digest).sources)
        )

    def wants_more(self) -> bool:
        """Whether another attempt should be asked for now."""
        return not self.draining and len(self.flights) < self.executor.slots and not self.budget.spent()

    def drain(self, reason: str) -> None:
        """Ask for nothing more; `evolve` returns when what is in flight has ended. Safe to call from a signal handler."""
        self.draining = reason
        self.executor.wake()

"""The evolutionary loop, as the papers draw it.

    ask    main thread   an island's turn, a parent, inspirations, an arm: everything random is decided here
    draft  operator      the child; refused if it is not new; committed before it is judged
    judge  slots         the child, then what an inner optimiser tries; each point counted and committed
    tell   main thread   archive, islands, bandit, observers

A child that ends early raises `Stop`, caught at one line, and becomes a row. The main thread is the only writer of the
archive, and each turn of the loop is one commit: a commit costs more than all the rest of an attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve import blocks
from evolve.archive import Archive
from evolve.budget import Budget
from evolve.config import Config
from evolve.errors import ConfigError, JudgeError
from evolve.flight import Flight
from evolve.normal import digest as digest_of
from evolve.novelty import Duplicate, Ladder, NearCopy
from evolve.operators import BUILTIN
from evolve.records import Attempt, Evaluation, Job, Program, Proposal, Sources, Task
from evolve.seams import Executor, Novelty, Observer, Operator, Stop
from evolve.state import State

ASKS = 32
"""The most attempts asked for in one turn: refused children cost no slot, and must not keep a turn from its commit."""


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
                f"arms: {unknown[0] if unknown else 'none'!r} is no arm; known: {', '.join(self.operators)}"
            )
        self.state = State(task.score, config, seed, seconds)
        self.novelty: Novelty = Ladder(
            (
                Duplicate(lambda digest: archive.known(run, digest)),
                NearCopy(
                    lambda island: map(self.whole, self.state.islands.turn(island).elites), config.novelty.similarity
                ),
            )
        )
        self.flights: list[Flight] = []
        self.draining = ""
        self._told: list[Attempt] = []

    @property
    def budget(self) -> Budget:
        """The run's ledger."""
        return self.state.budget

    # ------------------------------------------------------------------ the heart

    def evolve(self) -> str:
        """Run until the budget is spent or `drain` was called, and return which.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing; what is under way is adopted by the next resume.
        """
        while True:
            self._turn()
            if not self.flights:
                if not self.wants_more():
                    return self.draining or self.budget.spent()
                continue
            self.executor.pump(1.0)

    def _turn(self) -> None:
        """Tell what has ended and ask for more, in one commit; then hand the new drafts to the judge."""
        landed = [flight for flight in self.flights if flight.landed]
        broken = [flight for flight in landed if self._seen(flight).status == "judge_error"]
        with self.archive.transaction():
            for flight in landed:
                if flight not in broken:
                    self._land(flight)
            for _ in range(0 if broken else ASKS):
                if not self.wants_more():
                    break
                attempt = self.draft(self.ask())
                if attempt.stage is None:
                    self.flights.append(self._flight(attempt))
                else:
                    self._tell(attempt)
        self._notify()
        if broken:
            raise self._judge_error(self._seen(broken[0]))
        self._submit()

    def ask(self) -> Proposal:
        """Decide everything random about the next attempt, and reserve its evaluation.

        Raises:
            ConfigError: if the budget is spent.
        """
        light = self.state.propose()
        return replace(light, parent=self.whole(light.parent), inspirations=tuple(map(self.whole, light.inspirations)))

    def draft(self, proposal: Proposal) -> Attempt:
        """Return the attempt with its draft, stored, or with the stage at which it stopped."""
        attempt = Attempt(proposal)
        try:
            attempt.draft = self.operators[proposal.arm].draft(proposal, self.task)
            breach = blocks.breach(proposal.parent.sources, attempt.draft.sources)
            if breach:
                attempt.draft = None
                raise Stop("draft", breach)
            attempt.digest = digest_of(attempt.draft.sources, self.task.language)
            self.novelty.check(proposal, attempt.draft.sources, attempt.digest)
        except Stop as stop:
            attempt.stage, attempt.reason = stop.stage, stop.reason
        else:
            self.archive.drafted(self.run, attempt)
        return attempt

    def work(self, proposal: Proposal) -> Attempt:
        """Draft and judge ``proposal`` to its end; `tell` the attempt afterwards.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        attempt = self.draft(proposal)
        if attempt.stage is None:
            flight = self._flight(attempt)
            while flight.draft is not None:
                evaluation = self.judge(flight.job(self.run, self.seed))
                self._take(flight, evaluation)
        return attempt

    def tell(self, attempt: Attempt) -> None:
        """Store what became of an attempt, and let islands, bandit and observers learn from it."""
        with self.archive.transaction():
            self._tell(attempt)
        self._notify()

    # ------------------------------------------------------------------ stages

    def _land(self, flight: Flight) -> None:
        """Take what the judge saw of a flight; tell the attempt when nothing is left to judge."""
        self._take(flight, self._seen(flight))
        if flight.draft is None:
            self.flights.remove(flight)
            self._tell(flight.attempt)

    def _take(self, flight: Flight, evaluation: Evaluation) -> None:
        """Count and store one evaluation, and let the flight go on while its inner optimiser and the budget allow."""
        flight.land(evaluation)
        self.budget.charge()
        point = len(flight.attempt.points) - 1
        self.archive.judged(self.run, flight.attempt, point, "tune" if point else "child", self.seed)
        over = self.draining or self.budget.spent()
        if not over and flight.advance(evaluation) and not self.budget.reserve():
            flight.draft = None

    def _submit(self) -> None:
        for flight in self.flights:
            if flight.future is None:
                flight.future = self.executor.submit(flight.job(self.run, self.seed))

    def _tell(self, attempt: Attempt) -> None:
        attempt.program = self._program(attempt)
        attempt.gain = self.state.gain(attempt.proposal, attempt.program)
        self.archive.told(self.run, attempt, self.state.told + 1)
        self.archive.finish(self.run, "running", "", self.budget.seconds)
        if not attempt.points:
            self.budget.release()
        self.state.count_tell(attempt)
        self._told.append(attempt)

    def _notify(self) -> None:
        """Tell the observers of what is in the archive by now."""
        told, self._told = self._told, []
        for attempt in told:
            for observe in self.observers:
                observe(attempt)

    def _program(self, attempt: Attempt) -> Program | None:
        """Return the best of an attempt's points as a program; the child itself where none has a score."""
        new = [point for point in attempt.points if not self.archive.holds(self.run, point.digest)]
        if not new:
            return None
        sign, proposal = self.task.score.sign, attempt.proposal
        scored = [(sign * point.evaluation.score, point) for point in new if point.evaluation.score is not None]
        chosen = max(scored, key=lambda pair: pair[0])[1] if scored else new[0]
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

    # ------------------------------------------------------------------ beginning and ending

    def start(self, seeds: Sequence[tuple[str, Sources]]) -> None:
        """Judge the programs that the run starts from, which the budget does not count, and store them.

        Args:
            seeds: (name, files) of each; the first is the task's own seed, which must succeed.

        Raises:
            ConfigError: if the first fails, with what the judge saw.
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        for place, (name, sources) in enumerate(seeds):
            digest = digest_of(sources, self.task.language)
            if self.archive.known(self.run, digest) is not None:
                continue
            seen = self.judge(Job(f"{self.run}/seed/{place}", sources, self.seed, "seed"))
            program = Program(digest, sources, seen.status, seen.score, seen.metrics, number=-place, operator=name)
            self.archive.seeded(self.run, program, seen, self.seed)
            if seen.score is None and place == 0:
                why = seen.error or seen.feedback
                raise ConfigError(
                    f"the seed program of {self.task.name!r} ends as {seen.status}, so nothing can start from it: {why}"
                )
            self.state.count_seed(program)

    def adopt(self, attempt: Attempt) -> None:
        """Take over an attempt that an earlier session drafted and did not tell: nothing that was judged is judged again.

        Raises:
            ConfigError: if the budget has become too small for it.
        """
        flight = self._flight(attempt)
        flight.retrace()
        if flight.draft is not None and self.budget.reserve():
            self.flights.append(flight)
        elif attempt.points:
            self.tell(attempt)
        else:
            made, cap = self.budget.evaluations, self.budget.cap
            raise ConfigError(f"{made} evaluations were made and more are under way: give a budget larger than {cap}")

    def judge(self, job: Job) -> Evaluation:
        """Judge one candidate and wait for it.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        future = self.executor.submit(job)
        while not future.done():
            self.executor.pump(1.0)
        if future.result().status == "judge_error":
            raise self._judge_error(future.result())
        return future.result()

    def drain(self, reason: str) -> None:
        """Ask for nothing more; `evolve` returns when what is under way has ended. Safe to call from a signal handler."""
        self.draining = reason
        self.executor.wake()

    def wants_more(self) -> bool:
        """Whether another attempt should be asked for now."""
        return not self.draining and len(self.flights) < self.executor.slots and not self.budget.spent()

    @property
    def best_seen(self) -> float | None:
        """The best score so far, what inner searches under way have found included; they are told only at their end."""
        scores = [point.evaluation.score for flight in self.flights for point in flight.attempt.points]
        found = [score for score in (self.budget.best, *scores) if score is not None]
        return max(found, key=lambda score: self.task.score.sign * score, default=None)

    def whole(self, program: Program) -> Program:
        """Return ``program`` with its sources, which a run rebuilt from rows loads only when they are needed."""
        return (
            program
            if program.sources
            else replace(program, sources=self.archive.program(self.run, program.digest).sources)
        )

    def _flight(self, attempt: Attempt) -> Flight:
        return Flight(attempt, self.operators[attempt.proposal.arm], self.task)

    def _seen(self, flight: Flight) -> Evaluation:
        if flight.future is None:
            raise RuntimeError(f"attempt {flight.attempt.proposal.number} has nothing at the judge")
        return flight.future.result()

    def _judge_error(self, seen: Evaluation) -> JudgeError:
        return JudgeError(
            f"evaluate.py of task {self.task.name!r} failed; the run stops, and no program pays for it. Mend it (a reply that "
            f"it cannot use is `raise Invalid`), then start anew from the best of this run with --from {self.run}:\n{seen.error}"
        )

"""The evolutionary loop, as the papers draw it.

    ask    main thread   an island's turn, a parent, inspirations, an arm: everything random is decided here
    draft  operator      the child, of the parent alone or of a conversation with a model, whose replies come from threads;
                         refused if it is not new; committed before it is judged
    judge  slots         the child, then what an inner optimiser tries; each point counted and committed
    tell   main thread   archive, islands, bandit, observers

A child that ends early raises `Stop`, caught at one line, and becomes a row. The main thread is the only writer of the
archive, and each turn of the loop is one commit, and one more where replies came in: a commit costs more than all the rest of
an attempt.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve.archive import Archive
from evolve.arms import Arm, build
from evolve.budget import DEFAULT_EVALUATIONS, Budget
from evolve.calls import Calls
from evolve.config import Config
from evolve.drafts import Drafts
from evolve.errors import ConfigError, JudgeError, ModelError
from evolve.flight import Flight, best
from evolve.prices import prices
from evolve.records import Attempt, Evaluation, Given, Job, Prompt, Proposal, Reply, Task
from evolve.seams import Executor, Listener, Observer, Stop
from evolve.standings import Priors
from evolve.state import State

ASKS = 32
"""The most attempts asked for in one turn: refused children cost no slot, and must not keep a turn from its commit."""
LONGEST, SHORTEST = 20, 8
"""In a run with models one attempt takes at most this part of all evaluations, or this many where that is less."""


class Loop:
    """One run: `evolve` drives it to its end, or `ask`, `work` and `tell` from a loop of your own, all from one thread.

    Args:
        task: what is evolved.
        archive: where everything is kept; ``run`` is the run's name in it.
        config: the resolved settings, ``seed`` the source of every random choice.
        executor: judges the candidates; the caller closes it.
        arms: what the bandit chooses from; those of ``config`` if None.
        observers: told of each attempt once it is in the archive.
        seconds: the time that earlier sessions of the run took.
        priors: what earlier runs of the task say of the arms.
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
        arms: Mapping[str, Arm] | None = None,
        observers: Sequence[Observer] = (),
        seconds: float = 0.0,
        priors: Priors | None = None,
    ) -> None:
        self.task, self.archive, self.run, self.config, self.seed = task, archive, run, config, seed
        self.executor, self.observers = executor, observers
        self.arms = build(config, task) if arms is None else arms
        self.state = State(task.score, config, self.arms, seed, seconds, priors)
        self.calls = Calls(archive, run, self.arms, self.budget, config, wake=executor.wake, say=self.say)
        self.drafts = Drafts(archive, run, task, self.state, config.novelty.similarity)
        self.flights: list[Flight] = []
        self.draining = ""
        self._told: list[Attempt] = []
        self._failed: ModelError | None = None
        self._broken: JudgeError | None = None

    @property
    def budget(self) -> Budget:
        """The run's ledger."""
        return self.state.budget

    # ------------------------------------------------------------------ the heart

    def evolve(self) -> str:
        """Run until the budget is spent or `drain` was called, and return which.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing, once the calls under way have returned; what is at the
                judge is adopted by the next resume.
            ModelError: when no model can be asked any more and the run is not to go on without.
        """
        while True:
            self._turn()
            over = self.draining or self.budget.spent()
            if over and not self.flights:
                if self._failed is not None:
                    raise self._failed
                return over
            if self.flights or not self.wants_more():
                self.executor.pump(self.calls.delay())

    def _turn(self) -> None:
        """Tell what has ended and ask for more, in one commit; then send the calls, and hand the new drafts to the judge."""
        replies = self.calls.collect()
        landed = [flight for flight in self.flights if flight.landed]
        broken = [flight for flight in landed if self._seen(flight).status == "judge_error"]
        if broken and self._broken is None:
            self._broken = self._judge_error(self._seen(broken[0]))
            if self.calls.under_way:
                self.say("evaluate.py failed; the run stops when the calls under way have returned")
        with self.archive.transaction():
            for flight in landed:
                if flight not in broken:
                    self._land(flight)
            self._answer(replies)
            if self.draining or self._broken or self.budget.over():
                self._drop()
            for _ in range(ASKS):
                if not self.wants_more():
                    break
                flight = self.flight(Attempt(self.ask()))
                self.flights.append(flight)
                self._draft(flight)
            self._answer(self.calls.open())
        self.calls.send()
        if self._broken is None:
            self._submit()
        self._notify()
        if self._broken is not None and not self.calls.under_way:
            raise self._broken

    def ask(self, given: Given | None = None) -> Proposal:
        """Decide everything random about the next attempt, and reserve its evaluation.

        Args:
            given: what clock and ledger said, for a replay; what they say now if None.

        Raises:
            ConfigError: if the budget is spent.
            ModelError: when no model can be asked any more and the run is not to go on without.
        """
        while given is None and self._without_models():
            if self._failed is not None:
                raise self._failed
            if self.budget.broke:
                raise ConfigError(f"the budget is spent ({self.budget.broke}); resume with a larger one")
            self.executor.pump(self.calls.delay())
        now = given or Given(self._barred(), prices(self.budget.used, self.budget.caps))
        light, whole = self.state.propose(now), self.drafts.whole
        return replace(light, parent=whole(light.parent), inspirations=tuple(map(whole, light.inspirations)))

    def work(self, proposal: Proposal) -> Attempt:
        """Draft and judge ``proposal`` to its end; `tell` the attempt afterwards.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        flight = self.flight(Attempt(proposal))
        prompt = self.drafts.step(flight)
        while prompt is not None:
            prompt = self.drafts.step(flight, self._reply(flight, prompt))
        while flight.attempt.stage is None and flight.draft is not None:
            evaluation = self.judge(flight.job(self.run, self.seed))
            self._take(flight, evaluation)
        return flight.attempt

    def tell(self, attempt: Attempt) -> None:
        """Store what became of an attempt, and let islands, bandit and observers learn from it."""
        with self.archive.transaction():
            self._tell(attempt)
        self._notify()

    def say(self, text: str) -> None:
        """Tell the observers that listen what a person should know."""
        for observer in self.observers:
            if isinstance(observer, Listener):
                observer.notice(text)

    # ------------------------------------------------------------------ stages

    def _draft(self, flight: Flight, reply: Reply | Stop | None = None) -> None:
        """Take the next step of a flight: queue its prompt, or tell it where it has stopped."""
        prompt = self.drafts.step(flight, reply)
        if prompt is not None:
            self.calls.ask(flight.attempt, flight.turn, prompt)
        elif flight.attempt.stage is not None:
            self.flights.remove(flight)
            self._tell(flight.attempt)

    def _answer(self, replies: Sequence[tuple[Attempt, Reply | Stop]]) -> None:
        """Lead replies to the flights that wait for them."""
        waiting = {flight.attempt.proposal.number: flight for flight in self.flights}
        for attempt, reply in replies:
            self._draft(waiting[attempt.proposal.number], reply)

    def _reply(self, flight: Flight, prompt: Prompt) -> Reply | Stop:
        """Ask and wait for the reply."""
        self.calls.ask(flight.attempt, flight.turn, prompt)
        while True:
            found = self.calls.collect()
            if not found:
                with self.archive.transaction():
                    found = self.calls.open()
                self.calls.send()
            for attempt, reply in found:  # others are of attempts whose work was interrupted
                if attempt is flight.attempt:
                    return reply
            self.executor.pump(self.calls.delay())

    def _drop(self) -> None:
        """Let go of the attempts whose next call was not sent: they stay asked for, and a resume goes on with them."""
        dropped = [attempt.proposal.number for attempt in self.calls.drop()]
        for flight in [flight for flight in self.flights if flight.attempt.proposal.number in dropped]:
            self.flights.remove(flight)
            self.budget.release()

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
        over = bool(self.draining or self.budget.spent())
        if self.calls.paces:  # a long inner search would use up what the models' children are to be judged with
            over = over or point + 1 >= max(SHORTEST, (self.budget.cap or DEFAULT_EVALUATIONS) // LONGEST)
        if not over and flight.advance(evaluation) and not self.budget.reserve():
            flight.draft = None

    def _submit(self) -> None:
        for flight in self.flights:
            if flight.future is None and flight.draft is not None:
                flight.future = self.executor.submit(flight.job(self.run, self.seed))

    def _tell(self, attempt: Attempt) -> None:
        attempt.program = best(attempt, self.task.score, lambda digest: self.archive.holds(self.run, digest))
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

    # ------------------------------------------------------------------ what others ask

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
        if self.draining or self._broken or self.budget.spent() or self._without_models():
            return False
        workers = self.config.workers if self.calls.paces else 0
        return len(self.flights) < self.executor.slots + workers

    def _barred(self) -> tuple[str, ...]:
        """Return the arms that are not to be asked now. Where time is scarce and evaluations are not, no slot waits for models:
        while all workers are busy, the arms that ask nobody go on.
        """
        caps = self.budget.caps
        others = len(self.calls.paces) < len(self.arms)
        if others and "seconds" in caps and "evaluations" not in caps and self.calls.busy():
            return tuple(self.calls.paces)
        return self.calls.barred()

    def _without_models(self) -> bool:
        """Whether to ask for nothing because no model can be asked; where that is for good, the run is drained."""
        barred = self.calls.barred()
        if not self.calls.paces or len(barred) < len(self.calls.paces):
            return False
        ended = self.calls.ended()
        if ended and self.calls.broke:
            self.budget.broke = self.calls.broke
            return True
        if self.config.llm.without == "continue" and len(barred) < len(self.arms):
            return False
        if ended or (self.config.llm.without == "end" and self.calls.resting()):
            self.drain("no model is left")
            why = ended or "all models rest, and llm.without is 'end'"
            self._failed = ModelError(
                f"no model can be asked any more: {why}. When that is mended, evolve resume {self.run} goes on"
            )
        return True

    @property
    def best_seen(self) -> float | None:
        """The best score so far, what inner searches under way have found included; they are told only at their end."""
        scores = [point.evaluation.score for flight in self.flights for point in flight.attempt.points]
        found = [score for score in (self.budget.best, *scores) if score is not None]
        return max(found, key=lambda score: self.task.score.sign * score, default=None)

    def flight(self, attempt: Attempt) -> Flight:
        """Return an attempt with its operator, ready for its first step.

        Raises:
            ConfigError: if its arm is not configured.
        """
        proposal = attempt.proposal
        arm = self.arms.get(proposal.arm)
        if arm is None or proposal.operator not in arm.operators:
            raise ConfigError(
                f"attempt {proposal.number} is under way with {proposal.arm} ({proposal.operator}), which is not configured now"
            )
        return Flight(attempt, arm.operators[proposal.operator], self.task)

    def _seen(self, flight: Flight) -> Evaluation:
        if flight.future is None:
            raise RuntimeError(f"attempt {flight.attempt.proposal.number} has nothing at the judge")
        return flight.future.result()

    def _judge_error(self, seen: Evaluation) -> JudgeError:
        return JudgeError(
            f"evaluate.py of task {self.task.name!r} failed; the run stops, and no program pays for it. Mend it (a reply that "
            f"it cannot use is `raise Invalid`), then start anew from the best of this run with --from {self.run}:\n{seen.error}"
        )

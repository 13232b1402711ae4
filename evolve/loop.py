"""The evolutionary loop, as the papers draw it.

    ask    main thread   an island's turn, a parent, inspirations, an arm: everything random is decided here
    draft  operator      the child, of the parent alone or of a conversation with a model, whose replies come from threads;
                         refused if it is not new; committed before it is judged
    judge  slots         the child, then what an inner optimiser tries; each point counted and committed
    tell   main thread   archive, islands, bandit, observers; what scores better than the champion is judged again

A child that ends early raises `Stop`, caught at one line, and becomes a row. The main thread is the only writer of the
archive, and each turn of the loop is one commit, and one more where replies came in: a commit costs more than all the rest of
an attempt.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

from evolve.archive import Archive
from evolve.arms import Arm, build
from evolve.asking import Asking
from evolve.budget import DEFAULT_EVALUATIONS, Budget
from evolve.calls import Calls
from evolve.champions import Champions
from evolve.commands import Commands
from evolve.config import Config
from evolve.drafts import Drafts
from evolve.errors import ConfigError, JudgeError, ModelError
from evolve.flight import Flight, best, board
from evolve.judging import Judging
from evolve.phrases import difference, last_line
from evolve.prices import prices
from evolve.records import Attempt, Evaluation, Given, Level, Proposal, Reply, Task, short_id
from evolve.seams import Executor, Listener, Observer, Stop
from evolve.stages import Jobs
from evolve.standings import Priors
from evolve.state import State

ASKS, LONG = 32, 1.0
"""The most attempts asked for in one turn, and the seconds after which none is begun in it: refused children cost no slot, and
must not keep a turn from its commit, nor the archive from others that write to it.
"""
STRIKES = 3
"""Programs in a row on which ``evaluate.py`` fails that stop a run: fewer are odd programs, more a judge that is broken."""
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
        level: how candidates are confined, where evaluations that the archive has already need not be made again.
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
        level: Level | None = None,
    ) -> None:
        self.task, self.archive, self.run, self.config = task, archive, run, config
        self.executor, self.observers = executor, observers
        self.arms = build(config, task) if arms is None else arms
        self.state = State(task.score, config, self.arms, seed, seconds, priors)
        self.calls = Calls(archive, run, self.arms, self.budget, config, wake=executor.wake, say=self.say)
        self.asking = Asking(archive, executor, self.arms, self.calls, self.budget, config)
        self.drafts = Drafts(archive, run, task, self.state, config.novelty.similarity)
        self.jobs = Jobs(archive, run, task, level)
        self.champions = Champions(archive, run, task, self.say)
        self.commands = Commands(archive, run, self.budget, self.drain, self.say)
        self.budget.shown, self.budget.awaited = self.champions.score, self.calls.awaited
        self.judging = Judging(archive, run, task, executor, self.budget, self.jobs, self.champions)
        self.flights: list[Flight] = []
        self.draining = ""
        self._told: list[Attempt] = []
        self._failed: ModelError | None = None
        self._broken: JudgeError | None = None
        self._odd: list[Flight] = []
        self._strikes = 0
        self._reviewed: Evaluation | None = None

    @property
    def budget(self) -> Budget:
        """The run's ledger."""
        return self.state.budget

    # ------------------------------------------------------------------ the heart

    def evolve(self) -> str:
        """Run until the budget is spent and the best contender was judged again, or `drain` was called, and return which.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing, on `STRIKES` programs in a row, once the calls under way have
                returned; what is at the judge is adopted by the next resume.
            ModelError: when no model can be asked any more and the run is not to go on without.
        """
        while True:
            self._turn()
            over = self.draining or self.budget.spent()
            if over and not self.flights:
                self.champions.narrow()
                if self._failed is not None:
                    raise self._failed
                if self.draining or self.champions.idle:
                    return over
            if self._waits():
                self.executor.pump(self._pause())

    def _waits(self) -> bool:
        """Whether there is nothing to tell before something comes back."""
        if any(map(_told_next, self.flights)):  # at once, where the archive knew what the judge would see
            return False
        return bool(self.flights) or self._fruitless or not self.wants_more()

    def _pause(self) -> float:
        """Return the seconds to wait for something to come back."""
        if self.wants_more():
            return 1.0 if self._fruitless else 0.0
        return 1.0 if self.budget.over() or self.commands.paused else self.calls.delay()

    @property
    def _fruitless(self) -> bool:
        """Whether the arms that ask nobody find nothing new while a model may: they are then asked now and again only."""
        return self.budget.barren >= ASKS and self.calls.awaited()

    def _turn(self) -> None:
        """Tell what has ended and ask for more, in one commit; then send the calls, and hand the new drafts to the judge."""
        replies = self.calls.collect()
        landed = [flight for flight in self.flights if flight.landed]
        self._break(landed)
        with self.archive.transaction():
            self.heed()
            for flight in landed:
                if _told_next(flight):
                    self._land(flight)
            self._set_aside()
            self._answer(replies)
            if self._broken is None and not self._halted:
                self.judging.take_review()
            over = self.budget.over()
            self._let_go(bool(over))
            began = time.monotonic()
            for _ in range(1 if self._fruitless else ASKS):
                if not self.wants_more() or time.monotonic() - began > LONG:
                    break
                flight = board(Attempt(self.ask()), self.arms, self.task)
                self.flights.append(flight)
                self._draft(flight)
            if not self.commands.paused and not over:
                self._answer(self.calls.open())
        self.calls.send()
        if self._broken is None and not self.commands.paused:
            self._submit()
        self._notify()
        if self._broken is not None and not self.calls.under_way:
            raise self._broken

    def _may_go_on(self) -> bool:
        """Whether a run that is over may yet find that it is not, as where patience has ended and a better program comes."""
        return bool(self.calls.under_way) or any(flight.future is not None for flight in self.flights)

    def _break(self, landed: Sequence[Flight]) -> None:
        """Take note of what came back because ``evaluate.py`` failed. Where it fails on one program after another, children and
        champions alike, the run stops once the calls under way have returned.
        """
        odd = [flight for flight in landed if not _told_next(flight) and flight not in self._odd]
        self._odd += odd
        judged = [flight.seen for flight in landed if _told_next(flight) and not flight.seen.cached]
        failed = [flight.seen for flight in odd]
        review, before = self.judging.reviewed, self._reviewed
        if review is not None and review is not before:  # while a run is paused, it lies there from turn to turn
            (failed if review.status == "judge_error" else judged).append(review)
        self._reviewed = review
        self._strikes = len(failed) + (0 if judged else self._strikes)
        if failed and self._strikes >= STRIKES and self._broken is None:
            self._broken = self.judging.error(failed[-1])
            if self.calls.under_way:
                self.say("evaluate.py failed; the run stops when the calls under way have returned")

    def _set_aside(self) -> None:
        """End the attempts on whose programs ``evaluate.py`` failed, once it was seen to judge another one since, or none is left
        that could show it: they are odd, and no program of theirs is held to have failed.
        """
        alone = len(self.flights) == len(self._odd) and not self.wants_more()
        if self._broken is not None or not self._odd or not (alone or self._strikes < len(self._odd)):
            return
        for flight in self._odd:
            attempt, error = flight.attempt, flight.seen.error.strip()
            said = last_line(error)
            if attempt.points:
                self.budget.release()  # of the point that was not judged
                old, new = ({} if draft is None else draft.sources for draft in (attempt.draft, flight.draft))
                changes = "\n".join(line for lines in difference(old, new).values() for line in lines)
                attempt.reason = f"evaluate.py failed on a point of its inner search: {said}\n{changes}\n{error}"
            else:
                attempt.stage, attempt.reason = "judge", f"evaluate.py failed on it: {said}\n{error}"
            self.say(
                f"evaluate.py failed on {short_id(flight.digest)}, which is set aside: {said} "
                f"(evolve show --attempt {attempt.proposal.number})"
            )
            self.flights.remove(flight)
            self._tell(attempt)
        self._odd = []

    def ask(self, given: Given | None = None) -> Proposal:
        """Decide everything random about the next attempt, and reserve its evaluation.

        Args:
            given: what clock, ledger and people said, for a replay; what they say now if None.

        Raises:
            ConfigError: if the budget is spent.
            ModelError: when no model can be asked any more and the run is not to go on without.
        """
        while given is None and self._stuck():
            if self._failed is not None:
                raise self._failed
            if self.budget.broke:
                raise ConfigError(f"the budget is spent ({self.budget.broke}); resume with a larger one")
            self.executor.pump(self.calls.delay())
        now = given or Given(self.asking.barred(), prices(self.budget.used, self.budget.caps), self.commands.hints)
        light, whole = self.state.propose(now), self.drafts.whole
        if given is None and light.arm not in self.calls.paces:  # only models read hints
            light = replace(light, given=replace(light.given, hints=()))
        return replace(light, parent=whole(light.parent), inspirations=tuple(map(whole, light.inspirations)))

    def work(self, proposal: Proposal) -> Attempt:
        """Draft and judge ``proposal`` to its end; `tell` the attempt afterwards.

        Raises:
            JudgeError: when ``evaluate.py`` itself keeps failing.
        """
        flight = board(Attempt(proposal), self.arms, self.task)
        prompt = self.drafts.step(flight)
        while prompt is not None:
            prompt = self.drafts.step(flight, self.asking.reply(flight, prompt))
        while flight.attempt.stage is None and flight.draft is not None:
            self._take(flight, self.judging.wait(self.judging.hand(flight)))
        return flight.attempt

    def tell(self, attempt: Attempt) -> None:
        """Store what became of an attempt, and let islands, bandit and observers learn from it."""
        with self.archive.transaction():
            self._tell(attempt)
        self._notify()

    def heed(self) -> None:
        """Act on what people ask of the run."""
        with self.archive.transaction():
            self.commands.take(self.state.told, ending=bool(self.draining))

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

    def _let_go(self, over: bool) -> None:
        """Begin nothing more where the run ends: no call, and where a person or the clock ends it, no evaluation either."""
        if self.draining or self._broken or (over and not self._may_go_on()):
            self._drop()
        if self.budget.late or (self.draining and self._failed is None):
            self._withdraw()

    def _drop(self) -> None:
        """Let go of the attempts whose next call was not sent: they stay asked for, and a resume goes on with them."""
        dropped = [attempt.proposal.number for attempt in self.calls.drop()]
        for flight in [flight for flight in self.flights if flight.attempt.proposal.number in dropped]:
            self.flights.remove(flight)
            self.budget.release()

    def _withdraw(self) -> None:
        """Take back from the judge what no slot has begun: it stays drafted, and a resume has it judged; inner searches end."""
        for flight in [flight for flight in self.flights if flight.draft is not None and flight.withdraw()]:
            self.flights.remove(flight)
            self.budget.release()
            if flight.attempt.points:
                self._tell(flight.attempt)

    def _land(self, flight: Flight) -> None:
        """Take what the judge saw of a flight; tell the attempt when nothing is left to judge."""
        self._take(flight, flight.seen)
        if flight.draft is None:
            self.flights.remove(flight)
            self._tell(flight.attempt)

    def _take(self, flight: Flight, evaluation: Evaluation) -> None:
        """Count and store one evaluation, and let the flight go on while its inner optimiser and the budget allow."""
        self.judging.take(flight, evaluation)
        over = bool(self.draining or self.budget.spent())
        if self.calls.paces:  # a long inner search would use up what the models' children are to be judged with
            over = over or len(flight.attempt.points) >= max(
                SHORTEST, (self.budget.cap or DEFAULT_EVALUATIONS) // LONGEST
            )
        if not over and flight.advance(evaluation) and not self.budget.reserve():
            flight.draft = None

    def _submit(self) -> None:
        for flight in self.flights:
            if flight.future is None and flight.draft is not None:
                self.judging.hand(flight)
        if not self.draining:
            self.judging.submit_review()

    def _tell(self, attempt: Attempt) -> None:
        attempt.program = best(attempt, self.task.score, lambda digest: self.archive.holds(self.run, digest))
        attempt.gain = self.state.gain(attempt.proposal, attempt.program)
        self.archive.told(self.run, attempt, self.state.told + 1)
        self.archive.finish(self.run, "running", "", self.budget.seconds)
        if not attempt.points:
            self.budget.release()
        self.state.count_tell(attempt)
        self.champions.offer(attempt)
        self._told.append(attempt)

    def _notify(self) -> None:
        """Tell the observers of what is in the archive by now."""
        told, self._told = self._told, []
        for attempt in told:
            for observe in self.observers:
                observe(attempt)

    # ------------------------------------------------------------------ what others ask

    def drain(self, reason: str) -> None:
        """Ask for nothing more; `evolve` returns when what is under way has ended. Safe to call from a signal handler."""
        self.draining = reason
        self.executor.wake()

    @property
    def _halted(self) -> bool:
        """Whether nothing new is to be begun, because somebody said so."""
        return bool(self.draining) or self.commands.paused

    def wants_more(self) -> bool:
        """Whether another attempt should be asked for now."""
        if self._halted or self._broken or self.budget.spent() or self._stuck():
            return False
        return len(self.flights) - len(self._odd) < self.executor.slots + self.asking.workers

    def _stuck(self) -> bool:
        """Whether no model can be asked and the run is not to go on without; it ends where that is for good."""
        if not self.asking.stuck():
            return False
        if unpaid := self.asking.unpaid():
            self.budget.broke = unpaid
        elif why := self.asking.ended():
            self.drain("no model is left")
            self._failed = ModelError(
                f"no model can be asked any more: {why}. When that is mended, evolve resume {self.run} goes on"
            )
        return True


def _told_next(flight: Flight) -> bool:
    """Whether the judge is done with a flight. One at which the judge itself failed is adopted by the next resume."""
    return flight.landed and flight.seen.status != "judge_error"

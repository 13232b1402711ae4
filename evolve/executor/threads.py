"""Judges with a function of the caller's own, as in a notebook: on threads of this process, candidates jailed all the same."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from queue import SimpleQueue
from typing import Any

from evolve.errors import ConfigError
from evolve.executor.line import Line, Ticket, answer
from evolve.executor.local import GRACE
from evolve.executor.waker import Waker
from evolve.jail import Confinement, Inside, JailEnded
from evolve.judge import score
from evolve.judge.jails import CALLING, IMPORTS, Jails
from evolve.records import Evaluation, Fresh, Job, Task

LEAVE = 5.0
"""Seconds that an idle thread is given to close its jail."""


class ThreadExecutor:
    """Runs ``function`` on one thread per slot, each candidate in a jail of its own.

    A function that hangs outside of the candidate's calls cannot be killed, because a thread cannot be: after its time it is
    reported as ``judge_error`` and its slot gets a new thread, but the old one runs on until the function returns or this
    process ends. What the function prints goes where the process prints; ``slots`` threads may be in it at the same time.

    Args:
        task: names the limits, the packages and the metrics; its ``evaluator`` is not read. It cannot ask for GPUs.
        function: ``evaluate(candidate)`` or ``evaluate(candidate, seed)``.
        confinement: how candidates are confined.
        slots: how many are judged at the same time.
        fresh: where candidates' processes come from.
        grace: seconds beyond ``task.limits.seconds``, and beyond what its ``preload`` may take, after which a thread is given up.

    Raises:
        ConfigError: if the task asks for GPUs.
    """

    def __init__(
        self,
        task: Task,
        function: Callable[..., Any],
        confinement: Confinement,
        slots: int,
        *,
        fresh: Fresh = "fork",
        grace: float = GRACE,
    ) -> None:
        if slots < 1:
            raise ValueError(f"an executor needs at least one slot, not {slots}")
        if task.resources.gpus:
            raise ConfigError("GPUs are leased to tasks with an evaluate.py only: write one, with evolve new")
        self._task = task
        self._script = score.Script(score.seeded(function))
        self._confinement = confinement
        self._fresh = fresh
        self._patience = task.limits.seconds + grace + (IMPORTS if task.preload else 0.0)
        self._line = Line()
        self._workers: list[Worker | None] = [None] * slots
        self._jails: set[Jails] = set()

    @property
    def slots(self) -> int:
        """How many candidates can be judged at the same time."""
        return len(self._workers)

    def submit(self, job: Job) -> Future[Evaluation]:
        """Judge ``job`` as soon as a thread is free."""
        future = self._line.join(job)
        self._dispatch()
        return future

    def pump(self, timeout: float | None) -> None:
        """Hand out jobs and settle futures until one is done, `wake` is called, or ``timeout`` seconds have passed."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        returning = self._line.closed
        waker = self._line.waker
        while not returning:
            self._dispatch()
            nearest = min([end, *(worker.deadline for worker in self._workers if worker)])
            wait = None if nearest == float("inf") else max(0.0, nearest - time.monotonic())
            returning = bool(select.select([waker], [], [], wait)[0]) or time.monotonic() >= end
            waker.clear()
            returning |= self._settle()

    def wake(self) -> None:
        """Make `pump` return. May be called from any thread and from a signal handler."""
        self._line.waker.wake()

    def close(self) -> None:
        """Cancel all futures that are not done, and kill the candidates: the call that one is at fails, as does any further one.
        The function goes on to its own end, and what it returns is not read.
        """
        self._line.close(worker.ticket for worker in self._workers if worker)
        workers = [worker for worker in self._workers if worker]
        for worker in workers:
            worker.leave()
        for jails in tuple(self._jails):
            jails.kill()
        for worker in workers:
            if worker.ticket is None:
                worker.thread.join(LEAVE)  # it has nothing to do but to close its jail
        self._workers = [None] * len(self._workers)

    def _serve(self, slot: int, inbox: SimpleQueue[Job | None], done: Callable[[Evaluation], None]) -> None:
        """Judge what comes in, on the thread of a slot."""
        inside = Inside(preload=self._task.preload)
        with closing(Jails(self._task, self._confinement, slot, self._fresh, inside, self._mark)) as jails:
            self._jails.add(jails)
            while (job := inbox.get()) is not None:
                seen = score.judge(self._task, self._script, job, jails.cold if job.purpose == "cold" else jails.open)
                done(score.stamped(replace(seen, fresh=jails.used()), self._confinement, ""))
            self._jails.discard(jails)

    def _mark(self, what: bytes) -> None:
        """Let no call begin once this is closed."""
        if what == CALLING and self._line.closed:
            raise JailEnded("crash", "the executor was closed")

    def _dispatch(self) -> None:
        for number, worker in enumerate(self._workers):
            if worker is not None and worker.ticket is not None:
                continue
            ticket = self._line.first()
            if ticket is None:
                return
            self._line.leave(ticket)
            if worker is None:
                worker = self._workers[number] = Worker(self._serve, number, self._line.waker)
            seeds = len(ticket.job.seeds)
            worker.give(ticket, time.monotonic() + self._patience * (seeds + 1))

    def _settle(self) -> bool:
        """Settle the futures of workers that are done or overdue; return whether there was one."""
        settled = False
        for number, worker in enumerate(self._workers):
            if worker is None or worker.ticket is None:
                continue
            seen = worker.seen
            if seen is None and worker.deadline <= time.monotonic():
                lost = "evaluate did not return in time; its thread was given up"
                seen = score.stamped(Evaluation("judge_error", error=lost), self._confinement, "")
                worker.leave()
                self._workers[number] = None
            if seen is not None:
                settled |= answer(worker.take(), seen)
        return settled


class Worker:
    """One thread and the ticket that it has. All methods are for the executor's thread."""

    def __init__(
        self,
        serve: Callable[[int, SimpleQueue[Job | None], Callable[[Evaluation], None]], None],
        slot: int,
        waker: Waker,
    ) -> None:
        self.ticket: Ticket | None = None
        self.deadline = float("inf")
        self.seen: Evaluation | None = None
        self._waker = waker
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        self.thread = threading.Thread(
            target=serve, args=(slot, self._inbox, self._done), name=f"evolve-slot-{slot}", daemon=True
        )
        self.thread.start()

    def give(self, ticket: Ticket, deadline: float) -> None:
        """Start the thread on a ticket."""
        self.ticket, self.deadline, self.seen = ticket, deadline, None
        self._inbox.put(ticket.job)

    def take(self) -> Future[Evaluation]:
        """Return the future of the ticket that is done, and be free."""
        assert self.ticket is not None
        future = self.ticket.future
        self.ticket, self.deadline = None, float("inf")
        return future

    def leave(self) -> None:
        """Let the thread end after what it is at."""
        self._inbox.put(None)

    def _done(self, seen: Evaluation) -> None:
        """Take the evaluation; for the thread itself."""
        self.seen = seen
        self._waker.wake()

"""Judges with a function of the caller's own, as in a notebook: on threads of this process, candidates jailed all the same."""

from __future__ import annotations

import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from evolve.executor.local import GRACE
from evolve.executor.slot import Ticket
from evolve.executor.waker import Waker
from evolve.jail import Confinement
from evolve.judge import process, score
from evolve.records import Evaluation, Job, Task


class ThreadExecutor:
    """Runs ``function`` on one thread per slot, each candidate in a jail of its own.

    A function that hangs outside of the candidate's calls cannot be killed, because a thread cannot be: after its time it is
    reported as ``judge_error`` and its slot gets a new thread, but the old one runs on until the function returns or this
    process ends. What the function prints goes where the process prints; ``slots`` threads may be in it at the same time.

    Args:
        task: names the limits, the packages and the metrics; its ``evaluator`` is not read.
        function: ``evaluate(candidate)`` or ``evaluate(candidate, seed)``.
        confinement: how candidates are confined.
        slots: how many are judged at the same time.
        grace: seconds beyond ``task.limits.seconds`` after which a thread is given up.
    """

    def __init__(
        self, task: Task, function: Callable[..., Any], confinement: Confinement, slots: int, *, grace: float = GRACE
    ) -> None:
        if slots < 1:
            raise ValueError(f"an executor needs at least one slot, not {slots}")
        self._task = task
        self._script = score.Script(score.seeded(function))
        self._confinement = confinement
        self._patience = task.limits.seconds + grace
        self._waker = Waker()
        self._queue: deque[Ticket] = deque()
        self._workers: list[Worker | None] = [None] * slots
        self._closed = False

    @property
    def slots(self) -> int:
        """How many candidates can be judged at the same time."""
        return len(self._workers)

    def submit(self, job: Job) -> Future[Evaluation]:
        """Judge ``job`` as soon as a thread is free."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        ticket = Ticket(job, Future())
        self._queue.append(ticket)
        self._dispatch()
        return ticket.future

    def pump(self, timeout: float | None) -> None:
        """Hand out jobs and settle futures until one is done, `wake` is called, or ``timeout`` seconds have passed."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        returning = self._closed
        while not returning:
            self._dispatch()
            nearest = min(end, *(worker.deadline for worker in self._workers if worker))
            wait = None if nearest == float("inf") else max(0.0, nearest - time.monotonic())
            returning = bool(select.select([self._waker], [], [], wait)[0]) or time.monotonic() >= end
            self._waker.clear()
            returning |= self._settle()

    def wake(self) -> None:
        """Make `pump` return. May be called from any thread and from a signal handler."""
        self._waker.wake()

    def close(self) -> None:
        """Cancel all futures that are not done. What a thread is at goes on to its own end, its result unread."""
        self._closed = True
        for ticket in (*self._queue, *(worker.ticket for worker in self._workers if worker and worker.ticket)):
            ticket.future.cancel()
        self._queue.clear()
        for number, worker in enumerate(self._workers):
            if worker is not None:
                worker.leave()
                self._workers[number] = None
        self._waker.close()

    def _judge(self, job: Job, slot: int) -> Evaluation:
        """Judge one job on the thread of a slot."""
        seen = score.judge(self._task, self._script, job, process.Jails(self._task, self._confinement, slot).open)
        return score.stamped(seen, self._confinement, "")

    def _dispatch(self) -> None:
        for number, worker in enumerate(self._workers):
            if worker is not None and worker.ticket is not None:
                continue
            while self._queue and self._queue[0].future.cancelled():
                self._queue.popleft()
            if not self._queue:
                return
            if worker is None:
                worker = self._workers[number] = Worker(self._judge, number, self._waker)
            worker.give(self._queue.popleft(), time.monotonic() + self._patience)

    def _settle(self) -> bool:
        """Settle the futures of workers that are done or overdue; return whether there was one."""
        settled = False
        for number, worker in enumerate(self._workers):
            if worker is None or worker.ticket is None:
                continue
            seen = worker.seen
            if seen is None and worker.deadline <= time.monotonic():
                lost = f"evaluate did not return within {self._patience:g} s; its thread was given up"
                seen = score.stamped(Evaluation("judge_error", error=lost), self._confinement, "")
                worker.leave()
                self._workers[number] = None
            if seen is not None:
                future = worker.take()
                if not future.cancelled():
                    future.set_result(seen)
                    settled = True
        return settled


class Worker:
    """One thread and the ticket that it has. All methods are for the executor's thread."""

    def __init__(self, judge: Callable[[Job, int], Evaluation], slot: int, waker: Waker) -> None:
        self.ticket: Ticket | None = None
        self.deadline = float("inf")
        self.seen: Evaluation | None = None
        self._inbox: SimpleQueue[Job | None] = SimpleQueue()
        thread = threading.Thread(
            target=self._serve, args=(judge, slot, waker), name=f"evolve-slot-{slot}", daemon=True
        )
        thread.start()

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

    def _serve(self, judge: Callable[[Job, int], Evaluation], slot: int, waker: Waker) -> None:
        while (job := self._inbox.get()) is not None:
            self.seen = judge(job, slot)
            waker.wake()

"""Judges candidates on this machine: one judge process per slot, each candidate in a jail of its own."""

from __future__ import annotations

import selectors
import time
from collections import deque
from concurrent.futures import Future

from evolve.executor.slot import Slot, Ticket
from evolve.executor.waker import Waker
from evolve.jail import Confinement
from evolve.judge.candidate import START
from evolve.records import Evaluation, Job, Sources, Task

TRIES = 3
"""How often a job is handed to a judge before its ``judge_error`` is believed."""
GRACE = START + 10.0
"""Seconds beyond the task's own limit after which a judge is killed: a jail may take `START`, the rest is evaluate.py's."""


class LocalExecutor:
    """The executor of a run: ``slots`` judge processes, started when there is work for them.

    Jobs queue while all slots are busy. A judge that dies or outlasts its deadline is killed with all its processes and replaced;
    what a judge could not judge is tried again, up to `TRIES` times in all, each time by a fresh judge.

    Its methods must be called from the thread that made it, `wake` apart: judges die with the thread that started them.

    Args:
        task: what is judged.
        confinement: how candidates are confined.
        slots: how many are judged at the same time.
        grace: seconds beyond ``task.limits.seconds`` before a judge is killed.
    """

    def __init__(self, task: Task, confinement: Confinement, slots: int, *, grace: float = GRACE) -> None:
        if slots < 1:
            raise ValueError(f"an executor needs at least one slot, not {slots}")
        self._slots = [Slot(task, confinement, number, task.limits.seconds + grace) for number in range(slots)]
        self._queue: deque[Ticket] = deque()
        self._waker = Waker()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._waker, selectors.EVENT_READ)
        self._closed = False

    @property
    def slots(self) -> int:
        """How many candidates can be judged at the same time."""
        return len(self._slots)

    def submit(self, job: Job) -> Future[Evaluation]:
        """Queue ``job``; it moves only while `pump` runs."""
        if self._closed:
            raise RuntimeError("the executor is closed")
        ticket = Ticket(job, Future())
        self._queue.append(ticket)
        self._dispatch()
        return ticket.future

    def pump(self, timeout: float | None) -> None:
        """Move all judges forward until a future is done, `wake` is called, or ``timeout`` seconds have passed."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        returning = self._closed
        while not returning:
            self._dispatch()
            wait = min(end, *(slot.deadline for slot in self._slots)) - time.monotonic()
            ready = self._selector.select(None if wait == float("inf") else max(0.0, wait))
            for key, events in ready:
                if key.fileobj is self._waker:
                    self._waker.clear()
                    returning = True
                else:
                    returning |= self._move(key.data, events)
            now = time.monotonic()
            for slot in self._slots:
                if slot.deadline <= now:
                    returning |= self._finish(slot, slot.expire())
            returning |= now >= end

    def wake(self) -> None:
        """Make `pump` return. May be called from any thread and from a signal handler."""
        self._waker.wake()

    def close(self) -> None:
        """Cancel all futures that are not done, and end all judges with all that they started."""
        if self._closed:
            return
        self._closed = True
        for ticket in (*self._queue, *(slot.ticket for slot in self._slots if slot.ticket)):
            ticket.future.cancel()
        self._queue.clear()
        self._selector.close()
        self._waker.close()
        for slot in self._slots:
            slot.dismiss()
        for slot in self._slots:
            slot.close()

    def _dispatch(self) -> None:
        """Hand queued jobs to free slots, to those first whose judge is up."""
        free = sorted((slot for slot in self._slots if slot.ticket is None), key=lambda slot: not slot.alive)
        for slot in free:
            while self._queue and self._queue[0].future.cancelled():
                self._queue.popleft()
            if not self._queue:
                return
            if not slot.alive:
                slot.start()
                self._selector.register(slot, selectors.EVENT_READ, slot)
            slot.give(self._queue.popleft())
            slot.write()
            self._watch(slot)

    def _watch(self, slot: Slot) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if slot.writing else 0)
        self._selector.modify(slot.fileno(), events, slot)

    def _move(self, slot: Slot, events: int) -> bool:
        """Read and write what a judge is ready for; return whether a future is done."""
        if events & selectors.EVENT_WRITE:
            slot.write()
            self._watch(slot)
        if not events & selectors.EVENT_READ:
            return False
        seen = slot.read()
        return seen is not None and self._finish(slot, seen)

    def _finish(self, slot: Slot, seen: Evaluation) -> bool:
        """Free a slot and settle its job, or queue it once more; return whether its future is done."""
        ticket, slot.ticket = slot.ticket, None
        if seen.status == "judge_error":
            slot.stop()
        if not slot.alive:
            self._forget(slot)
        if ticket is None or ticket.future.cancelled():
            return False
        if seen.status == "judge_error" and ticket.tries < TRIES:
            self._queue.appendleft(ticket)
            return False
        ticket.future.set_result(seen)
        return True

    def _forget(self, slot: Slot) -> None:
        """Stop waiting for a judge that is gone."""
        for fd, key in list(self._selector.get_map().items()):
            if key.data is slot:
                self._selector.unregister(fd)


def evaluate_once(task: Task, sources: Sources, seed: int, confinement: Confinement) -> Evaluation:
    """Judge one program by itself."""
    executor = LocalExecutor(task, confinement, 1)
    try:
        future = executor.submit(Job("once", sources, seed, "check"))
        while not future.done():
            executor.pump(None)
        return future.result()
    finally:
        executor.close()

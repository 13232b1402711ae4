"""Judges candidates on this machine: one judge process per slot, each candidate in a jail of its own."""

from __future__ import annotations

import selectors
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from typing import Literal

from evolve.errors import ConfigError
from evolve.executor.holding import POLL, Hold, Holdings, Processors
from evolve.executor.line import Line, Ticket, answer
from evolve.executor.slot import Slot
from evolve.gpu.lease import DEADLINE
from evolve.jail import Confinement
from evolve.judge import score
from evolve.judge.candidate import START
from evolve.judge.jails import IMPORTS
from evolve.machine import Machine
from evolve.records import Evaluation, Fresh, Job, Sources, Task

TRIES = 3
"""How often a job is handed to a judge before its ``judge_error`` is believed."""
DELAYS = (0.2, 1.0)
"""Seconds before it is tried again: a full disk or a squeeze of memory may pass."""
GRACE = START + 10.0
"""Seconds beyond the task's own limit after which a judge is killed: a jail may take `START`, the rest is evaluate.py's."""

complain: Callable[[str], object] = partial(print, file=sys.stderr, flush=True)
"""Tells a person what nobody else is there to tell."""


class LocalExecutor:
    """The executor of a run: ``slots`` judge processes, started when there is work for them.

    Jobs queue while all slots are busy. A judge that dies or outlasts its deadline is killed with all its processes and replaced;
    what a judge could not judge, unless its time was up, is tried again, up to `TRIES` times in all, each time by a fresh judge
    and after a while.

    Each slot has its own ``resources.cpus`` processors. Where a task asks for GPUs, a job waits until its devices are leased; it
    has them for all of its seeds, and they come back when nothing of it is left on them. What takes more than
    ``limits.gpu_memory`` of one is killed. An ``exclusive`` task has one slot, and waits while another run's exclusive
    task is being judged on this machine.

    Its methods must be called from the thread that made it, `wake` apart: judges die with the thread that started them.

    Args:
        task: what is judged.
        confinement: how candidates are confined.
        slots: how many are judged at the same time, at most; the machine's GPUs may allow fewer.
        fresh: where candidates' processes come from.
        grace: seconds beyond ``task.limits.seconds``, and beyond what its ``preload`` may take, before a judge is killed.
        machine: where to look for GPUs, their nodes and the locks that runs share.

    Attributes:
        say: told what a person should know; prints to stderr unless it is replaced.

    Raises:
        ConfigError: if the task needs more GPUs than there are.
    """

    def __init__(
        self,
        task: Task,
        confinement: Confinement,
        slots: int,
        *,
        fresh: Fresh = "fork",
        grace: float = GRACE,
        machine: Machine = Machine(),  # noqa: B008 - frozen
    ) -> None:
        if slots < 1:
            raise ValueError(f"an executor needs at least one slot, not {slots}")
        self.say = complain
        self._confinement = confinement
        with ExitStack() as opened:
            self._holdings = Holdings(task.resources, task.limits, machine, self._tell)
            opened.callback(self._holdings.close)
            slots = min(slots, self._holdings.most or slots)
            processors = Processors(slots, task.resources.cpus, machine, self._tell)
            opened.callback(processors.close)
            patience = task.limits.seconds + grace + (IMPORTS if task.preload else 0.0)
            self._slots = [
                Slot(task, confinement, number, patience, fresh=fresh, cpus=cpus)
                for number, cpus in enumerate(processors.sets)
            ]
            self._line = Line()
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._line.waker, selectors.EVENT_READ)
            self._opened = opened.pop_all()

    @property
    def slots(self) -> int:
        """How many candidates can be judged at the same time."""
        return len(self._slots)

    def submit(self, job: Job) -> Future[Evaluation]:
        """Queue ``job``; it moves only while `pump` runs."""
        future = self._line.join(job)
        self._dispatch()
        return future

    def pump(self, timeout: float | None) -> None:
        """Move all judges forward until a future is done, `wake` is called, or ``timeout`` seconds have passed."""
        end = float("inf") if timeout is None else time.monotonic() + timeout
        returning = self._line.closed
        while not returning:
            waits = self._dispatch()
            returning |= self._give_up()
            soon = 0.0 if returning else self._next(end, waits) - time.monotonic()
            for key, events in self._selector.select(None if soon == float("inf") else max(0.0, soon)):
                if key.fileobj is self._line.waker:
                    self._line.waker.clear()
                    returning = True
                else:
                    returning |= self._move(key.data, events)
            now = time.monotonic()
            for slot in self._slots:
                if slot.deadline <= now:
                    returning |= self._finish(slot, slot.expire(), last=True)  # it would take as long once more
            returning |= self._watch()
            returning |= now >= end

    def wake(self) -> None:
        """Make `pump` return. May be called from any thread and from a signal handler."""
        self._line.waker.wake()

    def close(self) -> None:
        """Cancel all futures that are not done, end all judges with all that they started, and return what they held."""
        if self._line.closed:
            return
        self._selector.close()
        self._line.close(slot.ticket for slot in self._slots)
        with self._opened:
            for slot in self._slots:
                slot.dismiss()
            for slot in self._slots:
                slot.close()
            end = time.monotonic() + 2 * DEADLINE
            while [slot for slot in self._slots if self._held(slot)] and time.monotonic() < end:
                time.sleep(POLL)

    def _tell(self, text: str) -> None:
        self.say(text)

    def _dispatch(self) -> bool:
        """Hand queued jobs to free slots, to those first whose judge is up; return whether one waits for what others hold."""
        free = sorted((slot for slot in self._slots if slot.hold is None), key=lambda slot: not slot.alive)
        ticket = self._line.first()
        for slot in free:
            if ticket is None:
                break
            hold = self._holdings.take(slot.devices)
            if hold is None:
                return True
            self._line.leave(ticket)
            self._begin(slot, ticket, hold)
            ticket = self._line.first()
        if ticket is None:
            self._holdings.rest()
        return False

    def _begin(self, slot: Slot, ticket: Ticket, hold: Hold) -> None:
        """Hand a job to a slot with what it needs. Where the machine has no room for a judge, or a device's node is gone, that is
        a ``judge_error`` like any other.
        """
        failed = ""
        try:
            held = self._holdings.message(hold)
            if not slot.alive:
                slot.start()
                self._selector.register(slot, selectors.EVENT_READ, slot)
        except (OSError, ConfigError) as error:
            failed, held = f"no judge can be started: {error}", {}
        slot.give(ticket, hold, held)
        if failed:
            if self._finish(slot, slot.fail(failed)):
                self.wake()  # `pump` may be about to wait
            return
        slot.write()
        self._listen(slot)

    def _give_up(self) -> bool:
        """Where nothing can be judged any more, say so of all that waits; return whether there was anything."""
        why = self._holdings.why
        return bool(why) and self._line.settle(
            score.stamped(Evaluation("judge_error", error=why), self._confinement, "")
        )

    def _next(self, end: float, waits: bool) -> float:
        """Return the monotonic time when `pump` has to do something of itself."""
        times = [end, self._line.due(), *(slot.deadline for slot in self._slots)]
        if waits:
            times.append(time.monotonic() + POLL)
        if any(slot.hold is not None and slot.hold.lease is not None for slot in self._slots):
            times.append(self._holdings.next)
        return min(times)

    def _listen(self, slot: Slot) -> None:
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if slot.writing else 0)
        self._selector.modify(slot.fileno(), events, slot)

    def _move(self, slot: Slot, events: int) -> bool:
        """Read and write what a judge is ready for; return whether a future is done."""
        if events & selectors.EVENT_WRITE:
            slot.write()
            self._listen(slot)
        if not events & selectors.EVENT_READ:
            return False
        seen = slot.read()
        return seen is not None and self._finish(slot, seen)

    def _finish(self, slot: Slot, seen: Evaluation, *, last: bool = False) -> bool:
        """Settle the job of a slot, or queue it once more unless this was the ``last`` try, and free the slot; return whether the
        job's future is done.
        """
        ticket, slot.ticket = slot.ticket, None
        lost = self._holdings.gone(slot.hold) if slot.hold is not None and seen.status != "ok" else ""
        if lost:
            seen = replace(seen, status="judge_error", score=None, error=f"{lost}\n{seen.error}".strip())
        if seen.status == "judge_error":
            slot.stop()
        self._held(slot)
        self._forget(slot)
        if ticket is None or ticket.future.done():
            return False
        if seen.status == "judge_error" and ticket.tries < TRIES and not last:
            self._line.again(ticket, DELAYS[ticket.tries - 1])
            return False
        return answer(ticket.future, seen)

    def _held(self, slot: Slot) -> bool:
        """Return what a slot that judges nothing holds, as far as that can be; return whether it still holds some of it."""
        if slot.hold is not None and self._holdings.give_back(slot.hold):
            slot.hold = None
        return slot.hold is not None

    def _watch(self) -> bool:
        """Look at the leased devices when it is time, kill what takes too much or stays; return whether a future is done."""
        began = time.monotonic()
        leased = [slot for slot in self._slots if slot.hold is not None and slot.hold.lease is not None]
        if not leased or began < self._holdings.next:
            return False
        done = False
        for slot in leased:
            assert slot.hold is not None
            if slot.ticket is None:
                if self._held(slot) and slot.hold.until <= began:  # what is left there is in its jail
                    slot.stop()
                    self._forget(slot)
            elif excess := self._holdings.excess(slot.hold):
                slot.stop()
                done |= self._finish(slot, slot.fail(excess, status="gpu_memory"))
        self._holdings.looked(began)
        return done

    def _forget(self, slot: Slot) -> None:
        """Stop waiting for a judge that is gone."""
        if slot.alive:
            return
        for fd, key in list(self._selector.get_map().items()):
            if key.data is slot:
                self._selector.unregister(fd)


def evaluate_once(
    task: Task,
    sources: Sources,
    seed: int,
    confinement: Confinement,
    purpose: Literal["check", "validate"] = "check",
) -> Evaluation:
    """Judge one program by itself: on as many seeds as a run would, from ``seed`` on, or by the task's ``validate``."""
    repeats = range(seed + 1, seed + task.stages.repeats) if purpose == "check" else ()
    executor = LocalExecutor(task, confinement, 1)
    try:
        future = executor.submit(Job("once", sources, seed, purpose, tuple(repeats)))
        while not future.done():
            executor.pump(None)
        return future.result()
    finally:
        executor.close()

"""Jobs that wait to be judged, and those to be tried again after a while."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from evolve.executor.waker import Waker
from evolve.records import Evaluation, Job


@dataclass(slots=True)
class Ticket:
    """A job on its way: how often it was tried, when it may be tried next, and where its evaluation goes."""

    job: Job
    future: Future[Evaluation]
    tries: int = 0
    after: float = 0.0


class Line:
    """What every executor with slots does with its jobs between `submit` and a free slot. It has a `Waker` to wait on."""

    def __init__(self) -> None:
        self.waker = Waker()
        self.closed = False
        self._waiting: list[Ticket] = []

    def join(self, job: Job) -> Future[Evaluation]:
        """Add a job at the end."""
        if self.closed:
            raise RuntimeError("the executor is closed")
        ticket = Ticket(job, Future())
        self._waiting.append(ticket)
        return ticket.future

    def again(self, ticket: Ticket, delay: float) -> None:
        """Put a job back to the front, for after ``delay`` seconds."""
        ticket.after = time.monotonic() + delay
        self._waiting.insert(0, ticket)

    def first(self) -> Ticket | None:
        """Return the first job that may be tried now; it stays in line. Those that were cancelled leave it."""
        now = time.monotonic()
        self._waiting = [ticket for ticket in self._waiting if not ticket.future.cancelled()]
        return next((ticket for ticket in self._waiting if ticket.after <= now), None)

    def leave(self, ticket: Ticket) -> None:
        """Take a job out of the line: its turn has come."""
        self._waiting.remove(ticket)

    def due(self) -> float:
        """Return the monotonic time when a job may be tried again that may not be tried now."""
        now = time.monotonic()
        return min((ticket.after for ticket in self._waiting if ticket.after > now), default=float("inf"))

    def settle(self, seen: Evaluation) -> bool:
        """Give all that wait the same evaluation; return whether there were any."""
        told = [ticket for ticket in self._waiting if not ticket.future.cancelled()]
        self._waiting.clear()
        for ticket in told:
            ticket.future.set_result(seen)
        return bool(told)

    def close(self, judged: Iterable[Ticket | None]) -> None:
        """Cancel the jobs that wait and those that are being judged."""
        self.closed = True
        for ticket in (*self._waiting, *judged):
            if ticket is not None:
                ticket.future.cancel()
        self._waiting.clear()
        self.waker.close()

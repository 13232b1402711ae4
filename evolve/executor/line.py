"""Jobs that wait to be judged, and those to be tried again after a while; and how what the judge saw is handed on."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, replace

from evolve.executor.waker import Waker
from evolve.records import Artifact, Evaluation, Job
from evolve.secrets import redact


def answer(future: Future[Evaluation], seen: Evaluation) -> bool:
    """Give a job's future what the judge saw; return whether anybody waits for it.

    Keys are taken out of its texts: the judge may be the caller's own function, in a process that has them, or read ``.env``
    itself, and a service that it asks repeats them.
    """
    if future.done():  # cancelled, or given up when its executor was closed
        return False
    future.set_result(
        replace(
            seen,
            feedback=redact(seen.feedback),
            error=redact(seen.error),
            output=redact(seen.output),
            log=redact(seen.log),
            isolation_reason=redact(seen.isolation_reason),
            artifacts=tuple(map(_redacted, seen.artifacts)),
        )
    )
    return True


def _redacted(artifact: Artifact) -> Artifact:
    """Return an artifact without keys, if it is a text."""
    try:
        text = artifact.data.decode("utf-8")
    except UnicodeDecodeError:
        return artifact
    return replace(artifact, data=redact(text).encode("utf-8"))


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
        """Take a job out of the line: its turn has come, and from now on it cannot be cancelled."""
        self._waiting.remove(ticket)
        if not ticket.future.running():  # as one that is tried again is
            ticket.future.set_running_or_notify_cancel()

    def due(self) -> float:
        """Return the monotonic time when a job may be tried again that may not be tried now."""
        now = time.monotonic()
        return min((ticket.after for ticket in self._waiting if ticket.after > now), default=float("inf"))

    def settle(self, seen: Evaluation) -> bool:
        """Give all that wait the same evaluation; return whether there were any."""
        waiting, self._waiting = self._waiting, []
        told = [answer(ticket.future, seen) for ticket in waiting]
        return any(told)

    def close(self, judged: Iterable[Ticket | None]) -> None:
        """Cancel the jobs that wait, and let those that are being judged fail with `CancelledError`."""
        self.closed = True
        for ticket in (*self._waiting, *judged):
            if ticket is not None and not ticket.future.cancel() and not ticket.future.done():
                ticket.future.set_exception(CancelledError())
        self._waiting.clear()
        self.waker.close()

"""When an arm may be asked: its limits on concurrency and rate, and how it fares: ready, resting, or ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from evolve.config import ModelConfig

MINUTE = 60.0
LONGEST_REST = 1800.0
"""No rest is longer, whatever a service asks for: it may have forgotten by then, or mistaken itself."""


@dataclass(slots=True)
class Pace:
    """One arm's pace. All times are seconds of one monotonic clock, passed in.

    Attributes:
        model: the limits.
        workers: the most calls at the same time where the model sets no lower number.
        rest: how long the first rest is.
        tries: how many calls in a row may fail before it.
        ended: why the arm is never asked again; empty while it may be.
        until: no call before then.
        resting: why that is a rest, and not a short wait; empty while it is none.
        under_way: calls sent and not returned.
    """

    model: ModelConfig
    workers: int
    rest: float
    tries: int
    ended: str = ""
    until: float = 0.0
    resting: str = ""
    under_way: int = 0
    _failed: int = 0
    _rests: int = 0
    _sent: deque[tuple[float, int]] = field(default_factory=deque)

    def wait(self, now: float, tokens: int) -> float | None:
        """Return the seconds until a call of ``tokens`` may be sent; None if it must wait for another one to return."""
        if self.under_way >= min(self.model.concurrency or self.workers, self.workers):
            return None
        while self._sent and self._sent[0][0] <= now - MINUTE:
            self._sent.popleft()
        waits = [self.until - now, 0.0]
        requests, most = self.model.requests_per_minute, self.model.tokens_per_minute
        if requests is not None and len(self._sent) >= requests:
            waits.append(self._sent[-requests][0] + MINUTE - now)
        if most is not None:
            room = most - tokens
            held = 0
            for at, size in reversed(self._sent):  # the newest calls that leave no room must be a minute old
                held += size
                if held > room:
                    waits.append(at + MINUTE - now)
                    break
        return max(waits)

    def sent(self, now: float, tokens: int) -> None:
        """Count a call."""
        self.under_way += 1
        self._sent.append((now, tokens))

    def returned(self) -> None:
        """Count a call that is over, however it ended."""
        self.under_way -= 1

    def barred(self, now: float) -> bool:
        """Whether nothing can be asked now: the arm rests, waits as it was told to, or has ended."""
        return bool(self.ended) or self.until > now

    def rests(self, now: float) -> bool:
        """Whether the arm rests now."""
        return bool(self.resting) and self.until > now

    def succeeded(self) -> bool:
        """Take note of a reply; True if the arm had been resting before it."""
        recovered = bool(self.resting)
        self._failed = self._rests = 0
        self.resting = ""
        return recovered

    def failed(self, now: float, reason: str, asked: float = 0.0) -> float:
        """Take note of a call without a reply, after which the service ``asked`` for so many seconds without calls.

        Returns:
            The seconds that the arm rests from now on, 0 if it does not: after failing again and again, or where the service
            asked for as long as a rest.
        """
        asked = min(asked, LONGEST_REST)
        before, self.until = self.until, max(self.until, now + asked)
        self._failed += now >= before  # not what was sent before a rest and fails during it
        if asked >= self.rest:
            seconds = asked if self.until > before else 0.0
        elif now < before or (self._failed < self.tries and not self._rests):
            seconds = 0.0
        else:
            seconds = max(min(self.rest * 2.0**self._rests, LONGEST_REST), asked)
            self._failed = 0
            self._rests += 1
        if seconds:
            self.until, self.resting = max(self.until, now + seconds), reason
        return seconds

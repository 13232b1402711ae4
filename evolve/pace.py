"""When an arm may be asked: its limits on concurrency and rate, and how it fares: ready, resting, or ended."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from evolve.config import ModelConfig

MINUTE = 60.0
LONGEST_REST = 1800.0


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
        under_way: calls sent and not returned.
    """

    model: ModelConfig
    workers: int
    rest: float
    tries: int
    ended: str = ""
    until: float = 0.0
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

    def succeeded(self) -> bool:
        """Take note of a reply; True if the arm had been resting before it."""
        recovered = self._rests > 0
        self._failed = self._rests = 0
        return recovered

    def pause(self, now: float, seconds: float) -> None:
        """Send nothing for so long: the service asked for it."""
        self.until = max(self.until, now + seconds)

    def failed(self, now: float) -> float:
        """Take note of a call without a reply; return the seconds that the arm rests now, 0 if it does not."""
        self._failed += 1
        if now < self.until or (self._failed < self.tries and not self._rests):
            return 0.0
        self._failed = 0
        seconds = min(self.rest * 2.0**self._rests, LONGEST_REST)
        self._rests += 1
        self.until = now + seconds
        return seconds

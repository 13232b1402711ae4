"""The ledger of a run: what was spent, what is reserved for work in flight, and when to stop.

Evaluations, dollars and tokens are reserved before they can be spent, so that no run exceeds a cap, however many workers
it has.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from evolve.config import BudgetConfig
from evolve.records import Cost, Metric

DEFAULT_EVALUATIONS = 500
EXHAUSTED = 2000
"""Attempts in a row that reached no judge after which a run gives up: the arms find nothing new."""
EXHAUSTED_ASKED = 500
"""Likewise attempts of models, which are paid for, and of which the next is always awaited."""


@dataclass(slots=True)
class Budget:
    """Counts evaluations, dollars, tokens and seconds against their caps.

    ``held_dollars`` and ``held_tokens`` are the most that calls under way may cost. ``seconds_before`` is the time of the
    run's earlier sessions. ``first`` is the score of the task's seed. ``broke`` is the cap that no longer pays for a call of any
    model. ``shown`` returns the score that the target is for, where the best score may be luck. ``awaited`` says whether replies
    of models may yet come, and with them something new. ``clock`` returns seconds.
    """

    limits: BudgetConfig
    score: Metric
    seconds_before: float = 0.0
    clock: Callable[[], float] = time.monotonic
    evaluations: int = 0
    reserved: int = 0
    dollars: float = 0.0
    held_dollars: float = 0.0
    tokens: int = 0
    held_tokens: int = 0
    first: float | None = None
    best: float | None = None
    best_at: int = 0
    barren: int = 0
    barren_asked: int = 0
    broke: str = ""
    shown: Callable[[], float | None] | None = None
    awaited: Callable[[], bool] = bool
    started: float = field(init=False)
    paused_at: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def cap(self) -> int | None:
        """The most evaluations of this run; None where only other limits were given."""
        limits = self.limits
        others = (limits.usd, limits.tokens, limits.hours, limits.target, limits.patience)
        if self.limits.evaluations is None and all(limit is None for limit in others):
            return DEFAULT_EVALUATIONS
        return self.limits.evaluations

    @property
    def seconds(self) -> float:
        """Wall time of the run, over all its sessions, pauses left out."""
        now = self.clock() if self.paused_at is None else self.paused_at
        return self.seconds_before + now - self.started

    def pause(self) -> None:
        """Stop the clock."""
        if self.paused_at is None:
            self.paused_at = self.clock()

    def go_on(self) -> None:
        """Let the clock go on."""
        if self.paused_at is not None:
            self.started += self.clock() - self.paused_at
            self.paused_at = None

    @property
    def target(self) -> float | None:
        """The score that ends the run: the option's, else the task's."""
        return self.limits.target if self.limits.target is not None else self.score.target

    def reserve(self) -> bool:
        """Set one evaluation aside; False if none is left."""
        if self.cap is not None and self.evaluations + self.reserved >= self.cap:
            return False
        self.reserved += 1
        return True

    def release(self) -> None:
        """Give back one evaluation that was reserved and not made."""
        self.reserved -= 1

    def charge(self) -> None:
        """Turn one reserved evaluation into a spent one."""
        self.reserved -= 1
        self.evaluations += 1
        self.fruitful()

    def found(self) -> None:
        """Give back one evaluation that need not be made: the archive knew it."""
        self.reserved -= 1
        self.fruitful()

    def hold(self, dollars: float | None, tokens: int) -> bool:
        """Reserve the most that a call may cost; False if the caps, less what is held for others, leave too little."""
        if not self._fits(self.dollars + self.held_dollars, dollars, self.tokens + self.held_tokens, tokens):
            return False
        self.held_dollars += dollars or 0.0
        self.held_tokens += tokens
        return True

    def affords(self, dollars: float | None, tokens: int) -> bool:
        """Return whether such a call could be paid for if those under way cost nothing."""
        return self._fits(self.dollars, dollars, self.tokens, tokens)

    def _fits(self, paid: float, dollars: float | None, counted: int, tokens: int) -> bool:
        usd, most = self.limits.usd, self.limits.tokens
        return (usd is None or (dollars is not None and paid + dollars <= usd)) and (
            most is None or counted + tokens <= most
        )

    def short(self, dollars: float | None) -> str:
        """Return which cap it is that does not pay for a call of so many dollars, and what is left of it."""
        usd, tokens = self.limits.usd, self.limits.tokens
        if usd is not None and (dollars is None or self.dollars + dollars > usd):
            return f"{usd:g} dollars: what is left ({usd - self.dollars:.3g}) does not pay for another call"
        return f"{tokens} tokens: what is left ({(tokens or 0) - self.tokens}) does not pay for another call"

    def settle(self, held: tuple[float, int], cost: tuple[float, int]) -> None:
        """Turn what was held for a call, dollars and tokens, into what it cost."""
        self.held_dollars -= held[0]
        self.held_tokens -= held[1]
        self.dollars += cost[0]
        self.tokens += cost[1]

    def idle(self, asked: bool = False) -> None:
        """Take note of an attempt that ended before the judge saw it; ``asked`` if a model or command made it."""
        self.barren += 1
        self.barren_asked += asked

    def fruitful(self) -> None:
        """Count anew from here how many attempts in a row reach no judge."""
        self.barren = self.barren_asked = 0

    def scored(self, value: float | None) -> bool:
        """Take note of a score; True if it is the best so far."""
        if value is None or (self.best is not None and self.score.sign * value <= self.score.sign * self.best):
            return False
        if self.first is None:
            self.first = value
        self.best, self.best_at = value, self.evaluations
        return True

    def spent(self) -> str:
        """Return why the run is to stop asking, or an empty string."""
        if self.cap is not None and self.evaluations + self.reserved >= self.cap:
            return f"{self.cap} evaluations"
        return self.over()

    def over(self) -> str:
        """Return why nothing more is to be begun even for attempts under way, or an empty string."""
        limits = self.limits
        if self.broke:
            return self.broke
        if self.late:
            return f"{limits.hours:g} hours"
        reached = self.best if self.shown is None else self.shown()
        if (
            self.target is not None
            and reached is not None
            and self.score.sign * reached >= self.score.sign * self.target
        ):
            return f"target {self.target:g} reached"
        if limits.patience is not None and self.evaluations - self.best_at >= limits.patience:
            return f"no better program in {limits.patience} evaluations"
        return self.exhausted

    @property
    def exhausted(self) -> str:
        """Why nothing new will come, after so many attempts that brought nothing; empty while it may."""
        if self.barren_asked >= EXHAUSTED_ASKED:
            return f"no new program in {EXHAUSTED_ASKED} attempts of models"
        return f"no new program in {EXHAUSTED} attempts" if self.barren >= EXHAUSTED and not self.awaited() else ""

    @property
    def late(self) -> bool:
        """Whether its hours are over."""
        return self.limits.hours is not None and self.seconds >= self.limits.hours * 3600

    @property
    def used(self) -> Cost:
        """What was spent so far, what is reserved included."""
        return Cost(
            float(self.evaluations + self.reserved),
            self.dollars + self.held_dollars,
            float(self.tokens + self.held_tokens),
            self.seconds,
        )

    @property
    def caps(self) -> dict[str, float]:
        """The caps by resource, of those that are set: `evaluations`, `dollars`, `tokens`, `seconds`."""
        hours = self.limits.hours
        named = {
            "evaluations": self.cap,
            "dollars": self.limits.usd,
            "tokens": self.limits.tokens,
            "seconds": None if hours is None else hours * 3600,
        }
        return {name: float(cap) for name, cap in named.items() if cap is not None}

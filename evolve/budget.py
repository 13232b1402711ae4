"""The ledger of a run: what was spent, what is reserved for work in flight, and when to stop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from evolve.config import BudgetConfig
from evolve.records import Metric

DEFAULT_EVALUATIONS = 500
EXHAUSTED = 2000
"""Attempts in a row that reached no judge after which a run gives up: the arms find nothing new."""


@dataclass(slots=True)
class Budget:
    """Counts evaluations and seconds against their caps. An evaluation is reserved before it is asked for, so no run
    can exceed its cap.

    ``seconds_before`` is the time of the run's earlier sessions. ``first`` is the score of the
    task's seed. ``clock`` returns seconds.
    """

    limits: BudgetConfig
    score: Metric
    seconds_before: float = 0.0
    clock: Callable[[], float] = time.monotonic
    evaluations: int = 0
    reserved: int = 0
    first: float | None = None
    best: float | None = None
    best_at: int = 0
    barren: int = 0
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    @property
    def cap(self) -> int | None:
        """The most evaluations of this run; None where only other limits were given."""
        others = (self.limits.hours, self.limits.target, self.limits.patience)
        if self.limits.evaluations is None and all(limit is None for limit in others):
            return DEFAULT_EVALUATIONS
        return self.limits.evaluations

    @property
    def seconds(self) -> float:
        """Wall time of the run, over all its sessions."""
        return self.seconds_before + self.clock() - self.started

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
        self.barren = 0

    def idle(self) -> None:
        """Take note of an attempt that ended before the judge saw it."""
        self.barren += 1

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
        limits = self.limits
        if self.cap is not None and self.evaluations + self.reserved >= self.cap:
            return f"{self.cap} evaluations"
        if limits.hours is not None and self.seconds >= limits.hours * 3600:
            return f"{limits.hours:g} hours"
        if (
            self.target is not None
            and self.best is not None
            and self.score.sign * self.best >= self.score.sign * self.target
        ):
            return f"target {self.target:g} reached"
        if limits.patience is not None and self.evaluations - self.best_at >= limits.patience:
            return f"no better program in {limits.patience} evaluations"
        if self.barren >= EXHAUSTED:
            return f"no new program in {EXHAUSTED} attempts"
        return ""

    def left(self) -> float | None:
        """Return the share of the budget that is left, by whatever runs out first; None where no end can be foreseen."""
        shares = []
        if self.cap is not None:
            shares.append(1 - self.evaluations / self.cap)
        if self.limits.hours is not None:
            shares.append(1 - self.seconds / (self.limits.hours * 3600))
        return max(min(shares), 0.0) if shares else None

"""What a person sees while a run goes on: a live table on a terminal, plain lines elsewhere, or one JSON object per
attempt.
"""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from evolve.loop import Loop
from evolve.records import Attempt, short_id

if TYPE_CHECKING:
    from rich.console import Console, Group

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 48
PLAIN_EVERY = 10.0
"""Seconds between two plain lines that report no new best."""


@dataclass(slots=True)
class ArmCount:
    """What became of one arm's attempts in this sitting."""

    pulls: int = 0
    wins: int = 0
    bests: int = 0
    evaluations: int = 0
    gain: float = 0.0


@dataclass(slots=True)
class Tally:
    """What an observer adds up: per arm, per way of ending early, and the history of the best score.

    ``before`` is how many evaluations the run had when this sitting began.
    """

    before: int = 0
    started: float = field(default_factory=time.monotonic)
    arms: dict[str, ArmCount] = field(default_factory=dict)
    failures: Counter[str] = field(default_factory=Counter)
    history: list[tuple[int, float]] = field(default_factory=list)

    def add(self, attempt: Attempt, loop: Loop) -> bool:
        """Take note of an attempt; True if the best score rose."""
        arm = self.arms.setdefault(attempt.proposal.arm, ArmCount())
        arm.pulls += 1
        arm.evaluations += int(attempt.cost.evaluations)
        arm.gain += attempt.gain or 0.0
        arm.wins += bool(attempt.gain)
        if attempt.stage is not None:
            short = {"novelty": "duplicate", "judge": attempt.reason.partition(":")[0]}  # the rest differs each time
            self.failures[f"{attempt.stage}: {short.get(attempt.stage, attempt.reason[:40])}"] += 1
        for point in attempt.points:
            if point.evaluation.status != "ok":
                self.failures[f"judge: {point.evaluation.status}"] += 1
        score, sign = None if attempt.program is None else attempt.program.score, loop.task.score.sign
        # Not the ledger's best: of several attempts that are told together, it is the last one's from the first on.
        if score is None or (self.best is not None and sign * score <= sign * self.best):
            return False
        self.history.append((loop.budget.evaluations, score))
        arm.bests += 1
        return True

    @property
    def best(self) -> float | None:
        """The best score of what was told so far."""
        return self.history[-1][1] if self.history else None

    def rate(self, loop: Loop) -> float:
        """Evaluations per second of this sitting."""
        return (loop.budget.evaluations - self.before) / max(time.monotonic() - self.started, 1e-9)

    def eta(self, loop: Loop) -> float | None:
        """Seconds until the budget is spent, if that can be foreseen."""
        ends = []
        budget = loop.budget
        rate = self.rate(loop)
        if budget.cap is not None and rate > 0:
            ends.append((budget.cap - budget.evaluations) / rate)
        if budget.limits.hours is not None:
            ends.append(budget.limits.hours * 3600 - budget.seconds)
        return max(min(ends), 0.0) if ends else None


def spark(history: list[tuple[int, float]], evaluations: int, sign: float, width: int = WIDTH) -> str:
    """Return the best score over the evaluations as a line of bars, the newest to the right; the higher the better."""
    if not history:
        return ""
    values: list[float] = []
    place = 0
    for column in range(width):
        until = history[0][0] + (evaluations - history[0][0]) * (column + 1) / width
        while place + 1 < len(history) and history[place + 1][0] <= until:
            place += 1
        values.append(sign * history[place][1])
    low, high = min(values), max(values)
    return "".join(
        BARS[round((value - low) / (high - low) * (len(BARS) - 1))] if high > low else BARS[0] for value in values
    )


def clock(seconds: float | None) -> str:
    """Return a duration as people write it, such as ``1h02m`` or ``3m20s``."""
    if seconds is None:
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02d}m" if hours else f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


def paid(loop: Loop) -> str:
    """Return what the models of a run have cost so far."""
    budget = loop.budget
    cap = f" of ${budget.limits.usd:g}" if budget.limits.usd is not None else ""
    unknown = any(loop.arms[name].price is None for name in loop.calls.paces)
    dollars = f"${budget.dollars:.4g}{cap}"
    return f"{budget.tokens} tokens, " + (f"{dollars} and what has no known price" if unknown else dollars)


def best_seen(loop: Loop) -> float | None:
    """Return the best score so far, what inner searches under way have found included; they are told only at their end."""
    scores = [point.evaluation.score for flight in tuple(loop.flights) for point in tuple(flight.attempt.points)]
    found = [score for score in (loop.budget.best, *scores) if score is not None]
    return max(found, key=lambda score: loop.task.score.sign * score, default=None)


class Watch:
    """An observer that is opened and closed around a run, and adds up what it is told; the base shows nothing."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop
        self.tally = Tally(loop.budget.evaluations)
        if loop.budget.best is not None:
            self.tally.history.append((loop.budget.evaluations, loop.budget.best))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave what was shown as it is."""

    def __call__(self, attempt: Attempt, /) -> None:
        """Take note of an attempt."""
        self.tally.add(attempt, self.loop)

    def notice(self, text: str) -> None:
        """Take note of what happens between attempts; only what is shown is of use."""


class Lines(Watch):
    """Plain lines: one for each new best, and one now and then, for logs and pipes."""

    def __init__(self, loop: Loop, stream: TextIO) -> None:
        super().__init__(loop)
        self._stream = stream
        self._last = time.monotonic()

    def __call__(self, attempt: Attempt, /) -> None:
        """Print a line if there is a new best, or none was printed for a while."""
        rose = self.tally.add(attempt, self.loop)
        if not rose and time.monotonic() - self._last < PLAIN_EVERY:
            return
        self._last = time.monotonic()
        budget = self.loop.budget
        program = f"  {attempt.program.id} by {attempt.proposal.arm}" if rose and attempt.program else ""
        cap = f"/{budget.cap}" if budget.cap is not None else ""
        eta = self.tally.eta(self.loop)
        costs = f"  {paid(self.loop)}" if self.loop.calls.paces else ""
        print(
            f"{clock(budget.seconds):>7}  evaluations {budget.evaluations}{cap}  best {self.tally.best!r}{program}"
            f"  {self.tally.rate(self.loop):.1f}/s{costs}  left {clock(eta)}",
            file=self._stream,
            flush=True,
        )

    def notice(self, text: str) -> None:
        """Print it."""
        print(f"{clock(self.loop.budget.seconds):>7}  {text}", file=self._stream, flush=True)


class Events(Watch):
    """One JSON object per attempt on a line of its own, for programs."""

    def __init__(self, loop: Loop, stream: TextIO) -> None:
        super().__init__(loop)
        self._stream = stream

    def __call__(self, attempt: Attempt, /) -> None:
        """Print the attempt."""
        super().__call__(attempt)
        program = attempt.program
        event: dict[str, Any] = {
            "event": "attempt",
            "number": attempt.proposal.number,
            "arm": attempt.proposal.arm,
            "operator": attempt.proposal.operator,
            "island": attempt.proposal.island,
            "parent": attempt.proposal.parent.id,
            "stage": attempt.stage,
            "reason": attempt.reason,
            "status": program.status if program else None,
            "id": program.id if program else None,
            "score": program.score if program else None,
            "gain": attempt.gain,
            "best": self.tally.best,
            "evaluations": self.loop.budget.evaluations,
            "seconds": round(self.loop.budget.seconds, 3),
            "dollars": self.loop.budget.dollars,
            "tokens": self.loop.budget.tokens,
        }
        print(json.dumps(event), file=self._stream, flush=True)

    def notice(self, text: str) -> None:
        """Print it."""
        print(json.dumps({"event": "notice", "text": text}), file=self._stream, flush=True)


class Live(Watch):
    """The table on a terminal, redrawn a few times a second."""

    def __init__(self, loop: Loop, console: Console) -> None:
        from rich.live import Live as RichLive

        super().__init__(loop)
        self._notices: deque[str] = deque(maxlen=3)
        self._live = RichLive(get_renderable=self.render, console=console, refresh_per_second=4, transient=False)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def notice(self, text: str) -> None:
        """Show it below the table, until three newer ones have come."""
        self._notices.append(f"{clock(self.loop.budget.seconds)}  {text}")

    def render(self) -> Group:
        """Return the picture as it stands. Called from a thread that redraws it, so what changes is copied first."""
        from rich.console import Group
        from rich.text import Text

        loop, budget, tally = self.loop, self.loop.budget, self.tally
        unit = f" {loop.task.score.unit}" if loop.task.score.unit else ""
        head = Text.assemble(
            (loop.task.name, "bold"),
            f"  {loop.run}  ",
            ("draining: finishing what is under way" if loop.draining else "", "yellow"),
        )
        best = Text.assemble("best ", (repr(best_seen(loop)), "bold green"), f"{unit}  ({loop.task.score.direction})")
        title = loop.champions.title
        line = Text(spark(tally.history, budget.evaluations, loop.task.score.sign), style="green")
        failures = (
            "   ".join(f"{name} {count}" for name, count in Counter(dict(tally.failures)).most_common(4)) or "none"
        )
        return Group(
            head,
            best,
            *(
                [Text(f"champion {short_id(title.digest)}  {title.words}")]
                if title is not None and title.notable
                else []
            ),
            line,
            self._arms(),
            Text(f"ended early or failed: {failures}", style="dim"),
            Text(self._left(), style="dim"),
            *(Text(notice, style="yellow") for notice in tuple(self._notices)),
        )

    def _arms(self) -> Any:
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="dim")
        for column in ("arm", "pulls", "evaluations", "wins", "new bests", "gain per evaluation"):
            table.add_column(column, justify="left" if column == "arm" else "right")
        for name, arm in sorted(self.tally.arms.items()):
            rate = arm.gain / arm.evaluations if arm.evaluations else 0.0
            table.add_row(name, str(arm.pulls), str(arm.evaluations), str(arm.wins), str(arm.bests), f"{rate:.3f}")
        return table

    def _left(self) -> str:
        loop, budget = self.loop, self.loop.budget
        cap = f" of {budget.cap}" if budget.cap is not None else ""
        judged = sum(flight.future is not None for flight in tuple(loop.flights))
        workers = ""
        if loop.calls.paces:
            workers = f"workers {loop.calls.under_way} of {loop.config.workers}   {paid(loop)}   "
        return (
            f"evaluations {budget.evaluations}{cap}   {self.tally.rate(self.loop):.1f}/s   "
            f"slots {min(judged, loop.executor.slots)} of {loop.executor.slots}   {workers}"
            f"running {clock(budget.seconds)}   left {clock(self.tally.eta(loop))}"
        )


def watch(loop: Loop, *, as_json: bool, stream: TextIO) -> Watch:
    """Return what fits the place: events for programs, the table on a terminal, lines elsewhere."""
    if as_json:
        return Events(loop, stream)
    if stream.isatty():
        from rich.console import Console

        return Live(loop, Console(file=stream))
    return Lines(loop, stream)

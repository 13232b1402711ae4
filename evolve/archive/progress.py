"""How a run went: what it had spent, and how good its best program was, after each attempt that was told."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from evolve.archive.questions import Questions
from evolve.archive.rows import RunInfo
from evolve.records import Status

# Programs that may be the best: as in `RunInfo`, those that were promoted where there are verdicts on several seeds, else
# all that were not refused.
FIT = "p.digest {among} (SELECT digest FROM champions WHERE run = :run AND verdict = :verdict)"
SEEDS = f"""
SELECT p.number, p.arm, p.digest, p.status, p.score, {{best}}(iif({FIT}, p.score, NULL))
FROM programs AS p WHERE p.run = :run AND p.number <= 0
"""
ENDS = """
SELECT (a.told_order - 1) / :stride, a.told_order, a.number, a.arm, a.told_at, p.digest, p.status, p.score
FROM attempts AS a LEFT JOIN programs AS p ON p.run = a.run AND p.number = a.number
WHERE a.run = :run AND a.told_order IS NOT NULL AND (a.told_order % :stride = 0 OR a.told_order = :told)
ORDER BY a.told_order
"""
BESTS = f"""
SELECT (a.told_order - 1) / :stride, {{best}}(p.score), p.digest
FROM attempts AS a CROSS JOIN programs AS p ON p.run = a.run AND p.number = a.number
WHERE a.run = :run AND a.told_order IS NOT NULL AND p.score IS NOT NULL AND {FIT}
GROUP BY 1
"""
JUDGED = """
SELECT (a.told_order - 1) / :stride, count(*)
FROM evaluations AS e CROSS JOIN attempts AS a ON a.run = e.run AND a.number = e.attempt
WHERE e.run = :run AND e.purpose IN ('child', 'tune') AND e.cached = 0 AND a.told_order IS NOT NULL
GROUP BY 1
"""
PAID = """
SELECT (a.told_order - 1) / :stride, total(r.dollars), count(*) - count(r.dollars), sum(r.tokens)
FROM replies AS r CROSS JOIN attempts AS a ON a.run = r.run AND a.number = r.attempt
WHERE r.run = :run AND a.told_order IS NOT NULL
GROUP BY 1
"""
ENOUGH = 1000
"""Moments that show how a run went: more would not be seen on a chart."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A run as it stood when an attempt was told, the ``told``-th; 0 is its beginning.

    ``number``, ``arm``, ``digest``, ``status`` and ``score`` are of that attempt and its program, the last three None where
    there came none of it. ``evaluations``, ``dollars``, ``tokens`` and ``hours`` are what the run had spent on attempts told by
    then: evaluations that a budget counts; dollars with uncertain ones at their most, None once a price is unknown; hours
    running, as far as the sittings of the run and its tells show. ``best`` is the best score so far, raw, of programs that
    were not refused later, and ``leader`` the digest of the program that has it.
    """

    told: int
    number: int
    arm: str
    digest: str | None
    status: Status | None
    score: float | None
    evaluations: int
    dollars: float | None
    tokens: int
    hours: float
    best: float | None
    leader: str | None


class Progress(Questions):
    """The part of the archive that knows how runs went."""

    def progress(self, run: str | None = None, *, most: int | None = ENOUGH) -> list[Moment]:
        """Return how a run went, from its beginning to the last attempt that was told.

        Args:
            run: its name; the newest where none is given.
            most: moments to return, about: of more attempts every second, third … is taken. What was spent counts all
                attempts nevertheless, and a best program that lies between two moments shows at the second. None for all.

        Raises:
            ArchiveError: if there is no such run.
        """
        with self.transaction("BEGIN"):  # several queries see one state of a run that goes on
            info = self.run(run)
            (told,) = self._one("SELECT coalesce(max(told_order), 0) FROM attempts WHERE run = ?", (info.name,))
            stride = 1 if most is None else max(1, math.ceil(told / max(1, most)))
            return self._moments(info, {"run": info.name, "told": told, "stride": stride})

    def _moments(self, info: RunInfo, asked: Mapping[str, Any]) -> list[Moment]:
        """Return a moment per stretch of ``stride`` attempts, the state at its end."""
        lower = info.direction == "minimize"
        fit = {"best": "min" if lower else "max", "among": "NOT IN"}
        held = dict(asked, verdict="refused")
        if info.repeats > 1 and self.champion(info.name) is not None:
            fit, held = fit | {"among": "IN"}, dict(asked, verdict="promoted")
        bests = {stretch: rest for stretch, *rest in self._all(BESTS.format(**fit), held)}
        judged = dict(self._all(JUDGED, asked))
        paid = {stretch: rest for stretch, *rest in self._all(PAID, asked)}
        clock = self._clock(info)
        number, arm, digest, status, score, best = self._one(SEEDS.format(**fit), held)
        leader = None if best is None else digest
        moments = [Moment(0, number or 0, arm or "seed", digest, status, score, 0, 0.0, 0, 0.0, best, leader)]
        evaluations, dollars, tokens, hours, priced = 0, 0.0, 0, 0.0, True
        for stretch, told, number, arm, at, digest, status, score in self._all(ENDS, asked):
            cost, unpriced, count = paid.get(stretch, (0.0, 0, 0))
            evaluations, tokens = evaluations + judged.get(stretch, 0), tokens + count
            dollars, priced = dollars + cost, priced and not unpriced
            hours = max(hours, clock(told, at))  # the machine's clock may have been set back
            found, whose = bests.get(stretch, (None, None))
            if found is not None and (best is None or (found < best if lower else found > best)):
                best, leader = found, whose
            spent = (evaluations, dollars if priced else None, tokens, hours)
            moments.append(Moment(told, number, arm, digest, status, score, *spent, best, leader))
        return moments

    def _clock(self, info: RunInfo) -> Callable[[int, float], float]:
        """Return what tells how many hours a run had been running when an attempt was told: the time between a sitting's last
        tell and the next sitting counts as none.
        """
        began = self._all("SELECT told, began FROM sittings WHERE run = ? ORDER BY place", (info.name,))
        sittings = [(-1, info.created, 0.0)]  # attempts told before it, when it began, seconds running before it
        for told, start in began[1:]:
            last = self._one("SELECT told_at FROM attempts WHERE run = ? AND told_order = ?", (info.name, told))
            _, opened, seconds = sittings[-1]
            sittings.append((told, start, seconds if last is None else seconds + max(0.0, last[0] - opened)))

        def hours(told: int, at: float) -> float:
            _, opened, seconds = sittings[bisect_left(sittings, told, key=lambda sitting: sitting[0]) - 1]
            return (seconds + max(0.0, at - opened)) / 3600.0

        return hours

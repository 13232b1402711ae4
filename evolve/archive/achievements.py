"""What the arms of a run achieved: in all, and as it went on."""

from __future__ import annotations

from dataclasses import dataclass

from evolve.archive.database import Database

ATTEMPTS = """
SELECT
    arm, operator, (told_order + :step - 1) / :step, count(*), count(told_order), coalesce(sum(stage IS NOT NULL), 0),
    coalesce(sum(gain > 0), 0), total(gain), count(gain)
FROM attempts WHERE run = :run GROUP BY 1, 2, 3
"""
FOUND = """
SELECT
    c.arm, c.operator, count(*), sum(coalesce(iif(:minimize, c.score < p.score, c.score > p.score), 1)),
    iif(:minimize, min(c.score), max(c.score))
FROM programs AS c LEFT JOIN programs AS p ON p.run = c.run AND p.digest = c.parent
WHERE c.run = :run AND c.number > 0 AND c.score IS NOT NULL GROUP BY 1, 2
"""
JUDGED = """
SELECT a.arm, (a.told_order + :step - 1) / :step, count(*)
FROM evaluations AS e CROSS JOIN attempts AS a ON a.run = e.run AND a.number = e.attempt
WHERE e.run = :run AND e.purpose IN ('child', 'tune') AND e.cached = 0 AND a.told_order IS NOT NULL GROUP BY 1, 2
"""
PAID = """
SELECT a.arm, (a.told_order + :step - 1) / :step, total(r.dollars)
FROM replies AS r CROSS JOIN attempts AS a ON a.run = r.run AND a.number = r.attempt
WHERE r.run = :run AND r.dollars > 0 AND a.told_order IS NOT NULL GROUP BY 1, 2
"""


@dataclass(slots=True)
class Achieved:
    """What one arm achieved with one operator: of its attempts, how many were told, stopped early, led to a new program with a
    score, to one better than its parent; the best of these scores, and the sum of the rewards of ``rewarded`` attempts.
    """

    arm: str
    operator: str
    attempts: int = 0
    told: int = 0
    stopped: int = 0
    scored: int = 0
    improved: int = 0
    best: float | None = None
    gain: float = 0.0
    rewarded: int = 0

    @property
    def mean_gain(self) -> float | None:
        """The mean reward of an attempt; None before the first."""
        return self.gain / self.rewarded if self.rewarded else None


@dataclass(frozen=True, slots=True)
class ArmPoint:
    """What one arm had done when so many of a run's attempts had been told: its pulls, its wins (rewards above 0), the sum of its
    rewards, evaluations that a budget counts, and the dollars of its calls, uncertain ones at their most, unpriced ones left out.
    """

    arm: str
    told: int
    pulls: int
    wins: int
    gain: float
    evaluations: int
    dollars: float


class Achievements(Database):
    """The part of the archive that knows what arms achieved."""

    def achieved(self, run: str, points: int = 60) -> tuple[list[Achieved], list[ArmPoint]]:
        """Return what each arm of a run achieved with each operator, the most asked first, as the view ``arm_stats`` says it; and
        what each arm had done at those of ``points`` moments before which it was told something.
        """
        with self.transaction("BEGIN"):  # all queries see one state of a run that goes on
            (told,) = self._one("SELECT coalesce(max(told_order), 0) FROM attempts WHERE run = ?", (run,))
            (direction,) = self._one("SELECT direction FROM runs WHERE name = ?", (run,)) or ("maximize",)
            step = max(1, -(-told // points))
            attempts = self._all(ATTEMPTS, {"run": run, "step": step})
            found = self._all(FOUND, {"run": run, "minimize": direction == "minimize"})
            judged = self._all(JUDGED, {"run": run, "step": step})
            paid = self._all(PAID, {"run": run, "step": step})
        rows: dict[tuple[str, str], Achieved] = {}
        slices: dict[tuple[str, int], tuple[int, int, float]] = {}
        for arm, operator, place, count, heard, stopped, wins, gain, rewarded in attempts:
            row = rows.setdefault((arm, operator), Achieved(arm, operator))
            row.attempts += count
            row.told += heard
            row.stopped += stopped
            row.gain += gain
            row.rewarded += rewarded
            if place is not None:
                pulls, won, gained = slices.get((arm, place), (0, 0, 0.0))
                slices[arm, place] = pulls + heard, won + wins, gained + gain
        for arm, operator, scored, improved, best in found:
            row = rows[arm, operator]
            row.scored, row.improved, row.best = scored, improved, best
        counted = {(arm, place): count for arm, place, count in judged}
        dollars = {(arm, place): amount for arm, place, amount in paid}
        series = [
            (arm, min(place * step, told), *done, counted.get((arm, place), 0), dollars.get((arm, place), 0.0))
            for (arm, place), done in sorted(slices.items())
        ]
        return sorted(rows.values(), key=lambda row: (-row.attempts, row.arm, row.operator)), _summed(series)


def _summed(series: list[tuple[str, int, int, int, float, int, float]]) -> list[ArmPoint]:
    """Return points that count from the beginning, of an arm's slices in order."""
    found: list[ArmPoint] = []
    for arm, told, pulls, wins, gain, evaluations, dollars in series:
        last = found[-1] if found and found[-1].arm == arm else ArmPoint(arm, 0, 0, 0, 0.0, 0, 0.0)
        found.append(
            ArmPoint(
                arm,
                told,
                last.pulls + pulls,
                last.wins + wins,
                last.gain + gain,
                last.evaluations + evaluations,
                last.dollars + dollars,
            )
        )
    return found

"""The champions of a run, what was judged for them again, and what its screen let pass and held back.

Nothing of this is read by what prompts are rendered from: what `validate` says must never reach a model.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any, Literal

from evolve.archive.database import Database
from evolve.archive.rows import EVALUATION, PROGRAM, clean, from_evaluation, to_evaluation, to_program
from evolve.records import Artifact, Evaluation, Level, Program

Verdict = Literal["promoted", "refused"]

VERDICT = (
    "c.place, c.digest, c.against, c.verdict, c.reason, c.lead, c.low, c.high, c.seeds, c.cold_status, c.cold_score, "
    "c.validate_score, c.gap, p.score"
)
VERDICTS = f"SELECT {VERDICT} FROM champions AS c JOIN programs AS p ON p.run = c.run AND p.digest = c.digest"
CONTENDERS = f"""
SELECT {PROGRAM}, s.files FROM programs AS p JOIN sources AS s ON s.hash = p.source
WHERE p.run = :run AND p.score IS NOT NULL AND p.score {{better}} :score
AND NOT EXISTS (SELECT 1 FROM champions AS c WHERE c.run = p.run AND c.digest = p.digest)
ORDER BY p.score {{order}}, p.number LIMIT :n
"""
CACHED = f"""
SELECT e.id, {EVALUATION} FROM evaluations AS e JOIN runs AS r ON r.name = e.run
WHERE e.digest = ? AND e.task_digest = ? AND e.seed = ? AND r.environment = ? AND e.cached = 0 AND e.stage = 'evaluate'
AND e.status IN ('ok', 'invalid', 'crash', 'protocol') AND max(json_array_length(e.repeats), 1) = ?
AND e.isolation IN (SELECT value FROM json_each(?))
ORDER BY e.id LIMIT 1
"""
MIXED = "mixed"
"""The environment of a run that was resumed with other versions than it began with."""
OWN = f"""
SELECT e.id, {EVALUATION} FROM evaluations AS e WHERE e.run = ? AND e.attempt = ? AND e.digest = ? ORDER BY e.point LIMIT 1
"""


@dataclass(frozen=True, slots=True)
class Champion:
    """What became of a contender. ``score`` is the one it contended with; ``lead`` with its confidence bounds is by how much
    it was better than the champion ``against`` which it stood, on as many fresh ``seeds``. Scores are raw; ``lead`` and
    ``gap`` are positive where the champion, or its score, is the better one. None is what was not asked.
    """

    place: int
    digest: str
    against: str | None
    verdict: Verdict
    reason: str
    lead: float | None = None
    low: float | None = None
    high: float | None = None
    seeds: int = 0
    cold_status: str | None = None
    cold_score: float | None = None
    validate_score: float | None = None
    gap: float | None = None
    score: float | None = None

    @property
    def cold_difference(self) -> float | None:
        """By how much the cold score differs from the warm one."""
        return None if self.cold_score is None or self.score is None else self.cold_score - self.score

    @property
    def notable(self) -> bool:
        """Whether there is more to say than that it scored better."""
        return self.verdict == "refused" or bool(self.cold_difference) or self.gap is not None or self.lead is not None

    @property
    def words(self) -> str:
        """It in a line, for people: the verdict with its reason, and what else is known."""
        parts = [f"{self.verdict}: {self.reason}"]
        if self.cold_difference:
            parts.append(f"{self.cold_difference:+.4g} in a cold process")
        if self.gap is not None:
            parts.append(f"validate {self.validate_score!r}, a gap of {self.gap:.4g}")
        return "; ".join(parts)

    def plain(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**asdict(self), "cold_difference": self.cold_difference}


@dataclass(frozen=True, slots=True)
class Screening:
    """What the screen of a run did: how many candidates ``passed``, were ``held_back``, and were ``audited``, which is judged
    although held back; and how many of the audited were better than their parent, or than the best of the run by then.
    """

    passed: int
    held_back: int
    audited: int
    better_than_parent: int
    better_than_best: int

    @property
    def words(self) -> str:
        """It in a line, for people."""
        return (
            f"{self.passed} passed, {self.held_back} held back, {self.audited} judged all the same, of which "
            f"{self.better_than_parent} better than their parent and {self.better_than_best} than the best"
        )


class Reviews(Database):
    """The part of the archive that knows of champions, of screens, and of evaluations that may be used again."""

    def decided(self, run: str, found: Champion, began: float) -> None:
        """Store the verdict on a contender, or the first champion of a run."""
        self._insert(
            "champions",
            "run, place",
            run=run,
            place=found.place,
            digest=found.digest,
            against=found.against,
            verdict=found.verdict,
            reason=clean(found.reason),
            lead=found.lead,
            low=found.low,
            high=found.high,
            seeds=found.seeds,
            cold_status=found.cold_status,
            cold_score=found.cold_score,
            began=began,
            decided=time.time(),
        )

    def reviewed(self, run: str, place: int, digest: str, purpose: str, seed: int, seen: Evaluation) -> None:
        """Store what the judge saw when it judged a program again."""
        self._insert(
            "reviews",
            "run, place, digest, purpose, seed",
            run=run,
            place=place,
            digest=digest,
            purpose=purpose,
            seed=seed,
            judged_at=time.time(),
            **from_evaluation(seen),
        )

    def validated(self, run: str, place: int, score: float | None, gap: float | None) -> None:
        """Store what ``validate`` said of a champion."""
        sql = "UPDATE champions SET validate_score = ?, gap = ? WHERE run = ? AND place = ?"
        self._run(sql, (score, gap, run, place))

    def forget_undecided(self, run: str) -> None:
        """Take back what was judged for a verdict that was never reached: it is judged anew."""
        self._run(
            "DELETE FROM reviews WHERE run = ? AND place > (SELECT coalesce(max(place), -1) FROM champions WHERE run = ?)",
            (run, run),
        )

    def champions(self, run: str) -> list[Champion]:
        """Return the verdicts of a run, the first one first."""
        return [Champion(*row) for row in self._all(f"{VERDICTS} WHERE c.run = ? ORDER BY c.place", (run,))]

    def verdict(self, run: str, digest: str) -> Champion | None:
        """Return the verdict on a program, if there is one."""
        row = self._one(f"{VERDICTS} WHERE c.run = ? AND c.digest = ?", (run, digest))
        return None if row is None else Champion(*row)

    def champion(self, run: str) -> Champion | None:
        """Return the champion of a run; None before there is one, and in runs from before there were any."""
        row = self._one(f"{VERDICTS} WHERE c.run = ? AND c.verdict = 'promoted' ORDER BY c.place DESC LIMIT 1", (run,))
        return None if row is None else Champion(*row)

    def was_validated(self, run: str, place: int) -> bool:
        """Return whether ``validate`` has been run on a champion."""
        sql = "SELECT 1 FROM reviews WHERE run = ? AND place = ? AND purpose = 'validate' LIMIT 1"
        return self._one(sql, (run, place)) is not None

    def contenders(self, run: str, sign: float, score: float, n: int) -> list[Program]:
        """Return the best programs of a run that are better than ``score`` and have no verdict, whole, the best first."""
        better, order = (">", "DESC") if sign > 0 else ("<", "ASC")
        rows = self._all(CONTENDERS.format(better=better, order=order), {"run": run, "score": score, "n": n})
        return [to_program(row[:-1], row[-1]) for row in rows]

    def evaluation(self, run: str, number: int, digest: str) -> Evaluation:
        """Return what the judge saw of a program of ``run``, without artifacts; ``number`` is its attempt."""
        row = self._one(OWN, (run, number, digest))
        if row is None:
            raise ValueError(f"attempt {number} of run {run!r} has no evaluation of {digest!r}")
        return to_evaluation(row[1:])

    def environment(self, run: str) -> str:
        """Return what versions a run was made with, `MIXED` if it was resumed with others; nothing where nobody said."""
        row = self._one("SELECT environment FROM runs WHERE name = ?", (run,))
        return "" if row is None else str(row[0])

    def cached(
        self, digest: str, task_digest: str, seed: int, repeats: int, levels: tuple[Level, ...], environment: str
    ) -> Evaluation | None:
        """Return the first evaluation in any run of this program by the same task, on the same seeds, with the same versions, in
        one of the given levels of isolation. What depends on the machine, such as a timeout, is left out.
        """
        row = self._one(CACHED, (digest, task_digest, seed, environment, repeats, _names(levels)))
        if row is None:
            return None
        kept = self._all("SELECT name, mime, data FROM artifacts WHERE evaluation = ? ORDER BY id", (row[0],))
        return to_evaluation(row[1:], tuple(Artifact(*artifact) for artifact in kept))

    def first_seed(self, run: str) -> int | None:
        """Return the seed that the program was judged on from which a run started: its own seed, in runs from before all began
        with 0. None before that.
        """
        row = self._one("SELECT seed FROM evaluations WHERE run = ? AND attempt = 0 AND point = 0", (run,))
        return None if row is None else int(row[0])

    def screens(self, run: str, n: int) -> list[float]:
        """Return what ``screen`` gave for the last ``n`` candidates of a run that it scored, the latest last."""
        rows = self._all(
            "SELECT screen FROM evaluations WHERE run = ? AND screen IS NOT NULL AND purpose IN ('child', 'tune') "
            "ORDER BY id DESC LIMIT ?",
            (run, n),
        )
        return [screen for (screen,) in reversed(rows)]

    def screening(self, run: str) -> Screening | None:
        """Return what the screen of a run did; None where it has none."""
        row: tuple[Any, ...] | None = self._one(
            "SELECT passed, held_back, audited, better_than_parent, better_than_best FROM screening WHERE run = ?",
            (run,),
        )
        return None if row is None else Screening(*row)


def _names(levels: tuple[Level, ...]) -> str:
    return "[" + ",".join(f'"{level}"' for level in levels) + "]"

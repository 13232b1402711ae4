"""What speaks for and against the best program of a run: scores on fresh seeds, what tuning alone reaches, and whether all was
judged by the same task.
"""

from __future__ import annotations

from dataclasses import dataclass

from evolve.archive.database import Database
from evolve.archive.rows import PROGRAM, load_repeats, to_program
from evolve.records import Program, Repeat

FRESH = """
SELECT seed, score, seconds, repeats FROM reviews
WHERE run = ? AND digest = ? AND purpose = 'fresh' AND score IS NOT NULL ORDER BY id
"""
TUNED = f"""
WITH RECURSIVE tuned (digest) AS (
    SELECT :digest
    UNION SELECT c.digest FROM programs AS c JOIN tuned AS t ON c.parent = t.digest
    WHERE c.run = :run AND c.arm = 'builtin/tune'
)
SELECT {PROGRAM} FROM tuned AS t CROSS JOIN programs AS p ON p.run = :run AND p.digest = t.digest
LEFT JOIN champions AS v ON v.run = p.run AND v.digest = p.digest
WHERE p.digest <> :digest ORDER BY v.verdict IS 'refused', p.score IS NULL, {{sign}} * p.score, p.number
"""


@dataclass(frozen=True, slots=True)
class Tuned:
    """What `builtin/tune` alone made of a program that a run started from: the best of the ``programs`` whose whole lineage is
    tuning, None where none of them has a score. Contenders that were refused come after all others.
    """

    start: Program
    best: Program | None
    programs: int


class Evidence(Database):
    """The part of the archive that reports ask."""

    def starts(self, run: str) -> list[Program]:
        """Return the programs that a run started from, the task's own seed first, without sources."""
        sql = f"SELECT {PROGRAM} FROM programs AS p WHERE p.run = ? AND p.number <= 0 ORDER BY p.number DESC"
        return [to_program(row) for row in self._all(sql, (run,))]

    def fresh(self, run: str, digest: str) -> list[Repeat]:
        """Return what a program scored on fresh seeds, each seed once, in the order they were judged: those on which it was
        promoted, which favour it a little, and those on which it has defended its title since.
        """
        found: dict[int, Repeat] = {}
        for seed, score, seconds, repeats in self._all(FRESH, (run, digest)):
            for one in load_repeats(repeats) or (Repeat(seed, score, seconds),):
                found.setdefault(one.seed, one)
        return list(found.values())

    def tuned(self, run: str) -> list[Tuned]:
        """Return how far tuning of constants alone came from each program that a run started from."""
        (direction,) = self._one("SELECT direction FROM runs WHERE name = ?", (run,)) or ("maximize",)
        query = TUNED.format(sign=1 if direction == "minimize" else -1)
        found = []
        for start in self.starts(run):
            rows = self._all(query, {"run": run, "digest": start.digest})
            best = to_program(rows[0]) if rows else None
            found.append(Tuned(start, best if best is not None and best.score is not None else None, len(rows)))
        return found

    def task_digests(self, run: str) -> list[str]:
        """Return the digests of the task under which a run was judged, the first one first: several where the task changed."""
        sql = "SELECT task_digest FROM evaluations WHERE run = ? GROUP BY task_digest ORDER BY min(id)"
        return [digest for (digest,) in self._all(sql, (run,))]

    def counts(self, run: str) -> tuple[int, int]:
        """Return how many attempts of a run were asked for, and told."""
        asked, told = self._one("SELECT count(*), count(told_order) FROM attempts WHERE run = ?", (run,))
        return int(asked), int(told)

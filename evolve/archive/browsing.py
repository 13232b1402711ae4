"""What pages ask of the archive: a page of programs, counts, trees, islands, fronts, artifacts. Whole runs come as light rows."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from evolve.archive.database import Database
from evolve.archive.questions import match_all
from evolve.archive.rows import PROGRAM, load_metrics, to_program
from evolve.errors import ArchiveError
from evolve.records import Artifact, Program, short_id

Sort = Literal["score", "number", "generation", "island", "arm", "status"]
SORTS: tuple[Sort, ...] = ("score", "number", "generation", "island", "arm", "status")
PLACED = {
    "score": "p.score IS NULL, p.score {order}, p.number",
    "number": "p.number {order}",
    "generation": "p.generation {order}, p.number",
    "island": "p.island {order}, p.number",
    "arm": "p.arm {order}, p.operator {order}, p.number",
    "status": "p.status {order}, p.number",
}
"""How rows are ordered by each column."""
MOST_SAID = 20  # words of a search that reads prompts and replies: once for each of them
NUMBER = re.compile(r"[-+]?\d[\d.,_]*(?:e[-+]?\d+)?")
"""What does not make two reasons differ."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which programs of a run to list. Empty texts and None want all; ``text`` is words that code, note, feedback or error must
    have, as `Archive.search` takes them; with ``said`` also those whose prompts and replies have every
    word, which reads them all. ``descending`` None is what `falls` says.
    """

    status: str = ""
    arm: str = ""
    island: int | None = None
    text: str = ""
    said: bool = False
    sort: Sort = "score"
    descending: bool | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Listed:
    """One program of a listing: without sources, with its parent's score and the line that says what was changed."""

    program: Program
    parent_score: float | None
    note: str
    created: float


class Node(NamedTuple):  # and no dataclass: a hundred thousand are made for one page
    """One program of a lineage tree; ``parent`` is the parent's number, None for a program that the run started from."""

    number: int
    parent: int | None
    id: str
    score: float | None
    status: str
    arm: str
    island: int
    generation: int


@dataclass(frozen=True, slots=True)
class Ended:
    """How many attempts or evaluations ended early or failed in one way: ``how`` is the stage or the status, ``reason`` that of
    the latest, which is attempt ``latest``; ``arms`` are whose they were.
    """

    how: str
    reason: str
    count: int
    latest: int
    arms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """An artifact without its data: its row, name, type and bytes, and the attempt and point it was kept for."""

    id: int
    name: str
    mime: str
    size: int
    attempt: int
    point: int


@dataclass(frozen=True, slots=True)
class Review:
    """What the judge saw when it judged a contender again: ``purpose`` is ``cold``, ``fresh`` or ``validate``."""

    purpose: str
    seed: int
    status: str
    score: float | None
    repeats: int
    seconds: float
    isolation: str
    integrity: str
    feedback: str
    error: str


class Browsing(Database):
    """The part of the archive that pages read."""

    def programs(self, run: str, wanted: Wanted = Wanted()) -> tuple[list[Listed], int]:
        """Return a page of the programs of a run, and how many there are in all.

        Raises:
            ArchiveError: if the text holds no word, or the sort is none.
        """
        if wanted.sort not in SORTS:
            raise ArchiveError(f"programs cannot be sorted by {wanted.sort!r}; they can by {', '.join(SORTS)}")
        where, values = _conditions(run, wanted)
        (total,) = self._one(f"SELECT count(*) FROM programs AS p WHERE {where}", values)
        (direction,) = self._one("SELECT direction FROM runs WHERE name = ?", (run,)) or ("maximize",)
        descending = falls(wanted.sort, direction) if wanted.descending is None else wanted.descending
        order = PLACED[wanted.sort].format(order="DESC" if descending else "ASC")
        rows = self._all(
            f"SELECT {PROGRAM}, q.score, a.note, p.created FROM programs AS p "
            "LEFT JOIN programs AS q ON q.run = p.run AND q.digest = p.parent "
            "LEFT JOIN attempts AS a ON a.run = p.run AND a.number = p.number "
            f"WHERE {where} ORDER BY {order} LIMIT :limit OFFSET :offset",
            {**values, "limit": wanted.limit, "offset": wanted.offset},
        )
        return [Listed(to_program(row[:-3]), row[-3], row[-2] or "", row[-1]) for row in rows], int(total)

    def statuses(self, run: str) -> dict[str, int]:
        """Return how many programs of a run have each status, the most first."""
        sql = "SELECT status, count(*) FROM programs WHERE run = ? GROUP BY status ORDER BY 2 DESC"
        return dict(self._all(sql, (run,)))

    def islands(self, run: str) -> list[tuple[int, int, float | None, str | None]]:
        """Return of each island its number, how many programs it has, the best score and the id of its program."""
        sql = """
        SELECT p.island, count(*), CASE r.direction WHEN 'minimize' THEN min(p.score) ELSE max(p.score) END AS best
        FROM programs AS p JOIN runs AS r ON r.name = p.run WHERE p.run = ? GROUP BY p.island ORDER BY p.island
        """
        rows = self._all(sql, (run,))
        return [
            (island, count, best, None if best is None else self._first(run, island, best))
            for island, count, best in rows
        ]

    def tree(self, run: str) -> list[Node]:
        """Return every program of a run, by number."""
        sql = """
        SELECT number, digest, parent, score, status, arm, island, generation FROM programs WHERE run = ? ORDER BY number
        """
        rows = self._all(sql, (run,))
        number_of = {row[1]: row[0] for row in rows}  # quicker than a join
        return [Node(number, number_of.get(parent), short_id(digest), *rest) for number, digest, parent, *rest in rows]

    def reviews(self, run: str, digest: str) -> list[Review]:
        """Return what the judge saw when it judged a program again, the oldest first."""
        sql = """
        SELECT purpose, seed, status, score, max(json_array_length(repeats), 1), seconds, isolation, integrity, feedback, error
        FROM reviews WHERE run = ? AND digest = ? ORDER BY id
        """
        return [Review(*row) for row in self._all(sql, (run, digest))]

    def ended(self, run: str) -> list[Ended]:
        """Return how attempts of a run ended early and evaluations failed, the most frequent first. Reasons that differ in their
        numbers alone are one; of a traceback the last line counts.
        """
        sql = """
        SELECT how, number, arm, CASE
            WHEN how = 'novelty' THEN 'not new'
            WHEN reason LIKE 'held back by the screen%' THEN 'held back by the screen'
            WHEN reason LIKE 'Traceback%' THEN substr(rtrim(reason, char(10) || ' '), -300)
            ELSE substr(ltrim(reason, char(10) || ' '), 1, 300)
        END, reason LIKE 'Traceback%'
        FROM failures WHERE run = ? ORDER BY number DESC
        """
        groups: dict[tuple[str, str], tuple[str, int, Counter[str]]] = {}
        for how, number, arm, text, traceback in self._all(sql, (run,)):
            lines = text.splitlines() or [""]
            reason = (lines[-1] if traceback else lines[0]).strip()[:200] or "no reason was given"
            *_, arms = groups.setdefault((how, NUMBER.sub("#", reason)), (reason, number, Counter()))
            arms[arm] += 1
        found = [
            Ended(how, reason, arms.total(), latest, tuple(sorted(arms)))
            for (how, _), (reason, latest, arms) in groups.items()
        ]
        return sorted(found, key=lambda one: (-one.count, one.how, one.reason))

    def kept(self, run: str, digest: str) -> list[Kept]:
        """Return what judges kept beside the evaluations of a program, without the data."""
        sql = """
        SELECT f.id, f.name, f.mime, length(f.data), e.attempt, e.point
        FROM evaluations AS e JOIN artifacts AS f ON f.evaluation = e.id WHERE e.run = ? AND e.digest = ? ORDER BY f.id
        """
        return [Kept(*row) for row in self._all(sql, (run, digest))]

    def artifact(self, run: str, id: int) -> Artifact:
        """Return one artifact of a run.

        Raises:
            ArchiveError: if the run has none with this id.
        """
        return Artifact(*self._of_artifact("f.name, f.mime, f.data", run, id))

    def artifact_size(self, run: str, id: int) -> int:
        """Return how many bytes an artifact has, without reading them.

        Raises:
            ArchiveError: if the run has none with this id.
        """
        (size,) = self._of_artifact("length(f.data)", run, id)
        return int(size)

    def objectives(self, run: str) -> dict[str, str]:
        """Return the direction of each objective of a run, the score's first."""
        sql = "SELECT name, direction FROM objectives WHERE run = ? ORDER BY name <> 'score', name"
        return dict(self._all(sql, (run,)))

    def scored(self, run: str) -> list[tuple[str, int, float, dict[str, float]]]:
        """Return id, number, score and metrics of every program with a score, by number."""
        sql = (
            "SELECT substr(digest, 1, 10), number, score, metrics FROM programs "
            "WHERE run = ? AND score IS NOT NULL ORDER BY number"
        )
        rows = self._all(sql, (run,))
        texts = [text for *_, text in rows]
        read = json.loads(f"[{','.join(texts)}]")  # all at once: a tenth of a second instead of one
        return [
            (id, number, score, load_metrics(text) if ':"' in text else metrics)  # not finite: kept as a string
            for (id, number, score, text), metrics in zip(rows, read, strict=True)
        ]

    def _of_artifact(self, columns: str, run: str, id: int) -> Any:
        joined = "artifacts AS f JOIN evaluations AS e ON e.id = f.evaluation"
        row = self._one(f"SELECT {columns} FROM {joined} WHERE f.id = ? AND e.run = ?", (id, run))
        if row is None:
            raise ArchiveError(f"run {run!r} has no artifact {id}")
        return row

    def _first(self, run: str, island: int, score: float) -> str:
        row = self._one(
            "SELECT substr(digest, 1, 10) FROM programs WHERE run = ? AND island = ? AND score = ? ORDER BY number LIMIT 1",
            (run, island, score),
        )
        return str(row[0])


def falls(sort: Sort, direction: str) -> bool:
    """Return whether a listing descends where nobody says: the best first, or the latest, or what comes first in the alphabet."""
    return direction == "maximize" if sort == "score" else sort == "number"


def _conditions(run: str, wanted: Wanted) -> tuple[str, dict[str, Any]]:
    """Return the condition on programs ``p``, and its values."""
    parts, values = ["p.run = :run"], {"run": run, "status": wanted.status, "arm": wanted.arm, "island": wanted.island}
    if wanted.status:
        parts.append("p.status = :status")
    if wanted.arm:
        parts.append("p.arm = :arm")
    if wanted.island is not None:
        parts.append("p.island = :island")
    if wanted.text.strip():
        values["match"] = match_all(wanted.text)
        said = _said(wanted.text, values) if wanted.said else ""
        parts.append(
            f"({said} p.source IN (SELECT s.hash FROM code JOIN sources AS s ON s.id = code.rowid WHERE code MATCH :match) OR "
            # By the index alone, which has the ids too: a row of evaluations is long.
            "p.digest IN (SELECT e.digest FROM evaluations AS e INDEXED BY evaluations_digest "
            "WHERE e.run = :run AND e.id IN (SELECT rowid FROM words WHERE words MATCH :match)))"
        )
    return " AND ".join(parts), values


def _said(text: str, values: dict[str, Any]) -> str:
    """Return the condition on programs whose prompts and replies have every word of ``text``, and put the words into ``values``.
    Prompts have no index: they are mostly code, which has one, and would double the archive.
    """
    if len(words := text.split()) > MOST_SAID:
        raise ArchiveError(f"prompts and replies are searched for at most {MOST_SAID} words, not {len(words)}")
    for place, word in enumerate(words):
        escaped = word.rstrip("*").replace("^", "^^").replace("%", "^%").replace("_", "^_")
        values[f"word{place}"] = f"%{escaped}%"
    asked = "(SELECT group_concat(json_extract(m.value, '$.text'), ' ') FROM json_each(q.messages) AS m)"
    whole = f"{asked} || ' ' || coalesce(r.text, '') || ' ' || r.reasoning"
    each = " AND ".join(f"{whole} LIKE :word{place} ESCAPE '^'" for place in range(len(words)))
    return (
        "p.number IN (SELECT r.attempt FROM replies AS r JOIN prompts AS q ON q.hash = r.prompt "
        f"WHERE r.run = :run AND {each}) OR"
    )

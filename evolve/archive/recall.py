"""What the loop reads back: rows become the attempts and programs that they were written from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

from evolve.archive.database import Database
from evolve.archive.rows import (
    EVALUATION,
    PROGRAM,
    Sitting,
    light_evaluation,
    load_given,
    load_traits,
    to_draft,
    to_evaluation,
    to_program,
)
from evolve.errors import ArchiveError
from evolve.records import Artifact, Asked, Attempt, Draft, Evaluation, Point, Program, Proposal, Sources, short_id

PROPOSAL = "a.number, a.island, a.arm, a.operator, a.seed, a.told_before, a.tried, a.gained, a.best, a.given"
WIDTH = PROPOSAL.count(",") + 1
OUTCOME = "a.digest, a.stage, a.reason, a.gain, a.drafted_before"
COST = "total(dollars) AS dollars, coalesce(sum(tokens), 0) AS tokens, total(seconds) AS seconds"
"""What the calls of an attempt cost, uncertain ones at their most."""


class Recall(Database):
    """The part of the archive that a resume, a replay and a novelty check ask."""

    def program(self, run: str, digest: str) -> Program:
        """Return the program of ``run`` with this whole digest, sources included.

        Raises:
            ArchiveError: if there is none.
        """
        row = self._one(
            f"SELECT {PROGRAM}, s.files FROM programs AS p JOIN sources AS s ON s.hash = p.source "
            "WHERE p.run = ? AND p.digest = ?",
            (run, digest),
        )
        if row is None:
            raise ArchiveError(f"run {run!r} in {self.path} has no program {short_id(digest)}")
        return to_program(row[:-1], row[-1])

    def known(self, run: str, digest: str) -> int | None:
        """Return the attempt that drafted this digest and was not refused, or tuned to it; 0 or less for a seed."""
        row = self._one(
            # word for word the condition of the index attempts_digest
            "SELECT number FROM attempts WHERE run = ? AND digest = ? "
            "AND digest IS NOT NULL AND (stage IS NULL OR stage = 'judge')",
            (run, digest),
        ) or self._one("SELECT number FROM programs WHERE run = ? AND digest = ?", (run, digest))
        return None if row is None else int(row[0])

    def holds(self, run: str, digest: str) -> bool:
        """Return whether ``run`` has a program with this whole digest."""
        return self._one("SELECT 1 FROM programs WHERE run = ? AND digest = ?", (run, digest)) is not None

    def asks(self, run: str) -> Iterator[Asked]:
        """Yield what every attempt of ``run`` took when asked for, by number; with `history`, enough to rebuild a run."""
        rows = self._stream(
            "SELECT number, told_before, parent, arm, island, operator FROM attempts WHERE run = ? ORDER BY number",
            (run,),
        )
        return (Asked(*row) for row in rows)

    def drafts(self, run: str) -> Iterator[tuple[int, int, float]]:
        """Yield (number, attempts told before, time in seconds since 1970) of every draft of ``run`` that was not refused, in the
        order they were made.

        Runs from before this was recorded drafted when they asked.
        """
        yield from self._stream(
            "SELECT number, coalesce(drafted_before, told_before) AS before, coalesce(drafted_at, asked_at) FROM attempts "
            "WHERE run = ? AND source IS NOT NULL AND (stage IS NULL OR stage = 'judge') ORDER BY before, number",
            (run,),
        )

    def counted(self, run: str, until: int | None = None) -> int:
        """Return how many evaluations the budget of ``run`` counts: children and points of tuners, of any status, that were
        judged for it; where ``until`` is an attempt's number, those that had been made when it was told.
        """
        (count,) = self._one(
            "SELECT count(*) FROM evaluations AS e WHERE e.run = :run AND e.purpose IN ('child', 'tune') AND e.cached = 0 "
            "AND (:until IS NULL OR e.judged_at <= (SELECT told_at FROM attempts WHERE run = :run AND number = :until))",
            {"run": run, "until": until},
        )
        return int(count)

    def arms(self, run: str) -> dict[str, dict[str, Any]]:
        """Return the arms of ``run`` by name, each with its settings."""
        rows = self._all("SELECT name, settings FROM arms WHERE run = ? ORDER BY name", (run,))
        return {name: json.loads(settings) for name, settings in rows}

    def sittings(self, run: str) -> list[Sitting]:
        """Return the sittings of ``run``, the first one first; of a run from before they were kept, one with its settings."""
        rows = self._all(
            "SELECT asked, told, config, began FROM sittings WHERE run = ? ORDER BY place", (run,)
        ) or self._all("SELECT 0, 0, config, created FROM runs WHERE name = ?", (run,))
        return [Sitting(asked, told, json.loads(config), began) for asked, told, config, began in rows]

    def start_programs(self, run: str) -> list[tuple[str, Sources]]:
        """Return what ``run`` was to start from beside its task's own program, judged or not yet, as (name, files)."""
        rows = self._all(
            "SELECT t.name, s.files FROM starts AS t JOIN sources AS s ON s.hash = t.source WHERE t.run = ? ORDER BY t.place",
            (run,),
        )
        return [(name, json.loads(files)) for name, files in rows]

    def seeds(self, run: str) -> list[tuple[Program, Evaluation]]:
        """Return the programs that ``run`` started from with their evaluations, the first one first."""
        rows = self._all(
            f"SELECT {PROGRAM}, s.files, e.id, {EVALUATION} FROM programs AS p JOIN sources AS s ON s.hash = p.source "
            "JOIN evaluations AS e ON e.run = p.run AND e.attempt = p.number AND e.point = 0 "
            "WHERE p.run = ? AND p.number <= 0 ORDER BY p.number DESC",
            (run,),
        )
        width = PROGRAM.count(",") + 1
        return [
            (to_program(row[:width], row[width]), to_evaluation(row[width + 2 :], self._artifacts(row[width + 1])))
            for row in rows
        ]

    def history(self, run: str) -> Iterator[Attempt]:
        """Yield the told attempts of ``run`` in the order they were told, light enough for 100,000 of them.

        Programs and drafts come without sources, evaluations with status, score, metrics, seconds and cached only.
        Attempts share their programs.
        """
        seen = {
            row[0]: to_program(row)
            for row in self._all(f"SELECT {PROGRAM} FROM programs AS p WHERE p.run = ? AND p.number <= 0", (run,))
        }
        rows = self._stream(
            f"SELECT {PROPOSAL}, a.parent, a.inspirations, {OUTCOME}, a.program, a.source IS NOT NULL, "
            "a.note, a.traits, c.dollars, c.tokens, c.seconds, "
            "e.point, e.digest, e.status, e.score, e.metrics, e.seconds, e.cached FROM attempts AS a "
            f"LEFT JOIN (SELECT attempt, {COST} FROM replies WHERE run = :run GROUP BY attempt) AS c ON c.attempt = a.number "
            "LEFT JOIN evaluations AS e ON e.run = a.run AND e.attempt = a.number "
            "WHERE a.run = :run AND a.told_order IS NOT NULL ORDER BY a.told_order, e.point",
            {"run": run},
        )
        for _, group in groupby(rows, key=itemgetter(0)):
            lines = list(group)
            head, (parent, inspirations, *rest) = lines[0][:WIDTH], lines[0][WIDTH:]
            digest, stage, reason, gain, before, program, drafted, note, traits, dollars, tokens, seconds = rest[:12]
            proposal = _proposal(
                head,
                self._light(seen, run, parent),
                tuple(self._light(seen, run, other) for other in json.loads(inspirations)),
            )
            points = [
                Point(Draft({}), point[1], light_evaluation(*point[2:]))
                for point in (line[-7:] for line in lines)
                if point[0] is not None
            ]
            yield Attempt(
                proposal=proposal,
                draft=Draft({}, note, load_traits(traits)) if drafted else None,
                digest=digest,
                points=points,
                stage=stage,
                reason=reason,
                program=None if program is None else self._light(seen, run, program),
                gain=gain,
                drafted=before,
                dollars=dollars or 0.0,
                tokens=tokens or 0,
                seconds=seconds or 0.0,
            )

    def pending(self, run: str) -> list[Attempt]:
        """Return the attempts of ``run`` that were never told, whole, by number: what a resume finishes first."""
        numbers = self._all("SELECT number FROM attempts WHERE run = ? AND state <> 'told' ORDER BY number", (run,))
        return [self.attempt(run, number) for (number,) in numbers]

    def attempt(self, run: str, number: int) -> Attempt:
        """Return one attempt, whole: every source, every evaluation with its texts and artifacts.

        Raises:
            ArchiveError: if there is none.
        """
        row = self._one(
            f"SELECT {PROPOSAL}, a.parent, a.inspirations, {OUTCOME}, a.program, s.files, a.note, a.traits "
            "FROM attempts AS a LEFT JOIN sources AS s ON s.hash = a.source WHERE a.run = ? AND a.number = ?",
            (run, number),
        )
        if row is None:
            raise ArchiveError(f"run {run!r} in {self.path} has no attempt {number}")
        parent, inspirations, digest, stage, reason, gain, before, program, files, note, traits = row[WIDTH:]
        dollars, tokens, seconds = self._one(f"SELECT {COST} FROM replies WHERE run = ? AND attempt = ?", (run, number))
        return Attempt(
            proposal=_proposal(
                row[:WIDTH],
                self.program(run, parent),
                tuple(self.program(run, other) for other in json.loads(inspirations)),
            ),
            draft=None if files is None else to_draft(files, note, traits),
            digest=digest,
            points=self._points(run, number),
            stage=stage,
            reason=reason,
            program=None if program is None else self.program(run, program),
            gain=gain,
            drafted=before,
            dollars=dollars,
            tokens=tokens,
            seconds=seconds,
        )

    def _points(self, run: str, number: int) -> list[Point]:
        """Return the evaluations of an attempt."""
        rows = self._all(
            f"SELECT e.id, e.digest, s.files, e.note, e.traits, {EVALUATION} "
            "FROM evaluations AS e JOIN sources AS s ON s.hash = e.source "
            "WHERE e.run = ? AND e.attempt = ? ORDER BY e.point",
            (run, number),
        )
        return [
            Point(to_draft(files, note, traits), digest, to_evaluation(tuple(rest), self._artifacts(id)))
            for id, digest, files, note, traits, *rest in rows
        ]

    def _artifacts(self, evaluation: int) -> tuple[Artifact, ...]:
        """Return what was kept beside an evaluation."""
        rows = self._all("SELECT name, mime, data FROM artifacts WHERE evaluation = ? ORDER BY id", (evaluation,))
        return tuple(Artifact(*row) for row in rows)

    def _light(self, seen: dict[str, Program], run: str, digest: str) -> Program:
        """Return a program without its sources, from ``seen`` if it is there."""
        if digest not in seen:
            row = self._one(f"SELECT {PROGRAM} FROM programs AS p WHERE p.run = ? AND p.digest = ?", (run, digest))
            seen[digest] = to_program(row)
        return seen[digest]


def _proposal(columns: tuple[Any, ...], parent: Program, inspirations: tuple[Program, ...]) -> Proposal:
    """Make a proposal of the columns `PROPOSAL` and the programs that they name."""
    number, island, arm, operator, seed, told, tried, gained, best, given = columns
    return Proposal(
        number, parent, inspirations, island, arm, operator, seed, told, tried, gained, best, load_given(given)
    )

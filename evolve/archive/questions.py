"""What people ask the archive: which runs, which programs, where they came from, what failed, what it cost."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from evolve.archive.commands import Commands
from evolve.archive.recall import Recall
from evolve.archive.reviews import Reviews
from evolve.archive.rows import (
    EVALUATION,
    PROGRAM,
    ArmState,
    Failure,
    Hit,
    Judged,
    Purpose,
    ReplySpend,
    RunInfo,
    Spend,
    clean,
    to_evaluation,
    to_program,
)
from evolve.errors import ArchiveError
from evolve.records import ID_LENGTH, Artifact, Program, Sources

LONGEST_SEARCH = 1000
"""Characters of a search."""
SHORTEST = 4
"""The fewest characters that may stand for a program."""

RUN = """
SELECT name, task, task_path, task_digest, direction, unit, seed, config, version, state, reason, created,
    finished, seconds, (
        SELECT count(*) FROM evaluations AS e WHERE e.run = r.name AND e.purpose IN ('child', 'tune') AND e.cached = 0
    ),
    coalesce(
        (
            SELECT p.score FROM champions AS c JOIN programs AS p ON p.run = c.run AND p.digest = c.digest
            WHERE r.repeats > 1 AND c.run = r.name AND c.verdict = 'promoted' ORDER BY c.place DESC LIMIT 1
        ),
        CASE direction
            WHEN 'minimize' THEN (
                SELECT p.score FROM programs AS p WHERE p.run = r.name AND p.score IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM champions AS c WHERE c.run = p.run AND c.digest = p.digest AND c.verdict = 'refused'
                ) ORDER BY p.score LIMIT 1
            )
            ELSE (
                SELECT p.score FROM programs AS p WHERE p.run = r.name AND p.score IS NOT NULL AND NOT EXISTS (
                    SELECT 1 FROM champions AS c WHERE c.run = p.run AND c.digest = p.digest AND c.verdict = 'refused'
                ) ORDER BY p.score DESC LIMIT 1
            )
        END
    ), repeats
FROM runs AS r
"""
BEST = f"""
SELECT {PROGRAM}, s.files FROM programs AS p JOIN sources AS s ON s.hash = p.source
WHERE p.run = ? AND p.score IS NOT NULL ORDER BY p.score {{order}}, p.number LIMIT ?
"""
LINE = f"""
WITH RECURSIVE line (digest) AS (
    SELECT ?2
    UNION SELECT a.parent FROM programs AS a JOIN line USING (digest) WHERE a.run = ?1 AND a.parent IS NOT NULL
)
SELECT {PROGRAM} FROM line JOIN programs AS p ON p.run = ?1 AND p.digest = line.digest ORDER BY p.number DESC
"""


class Questions(Recall, Reviews, Commands):
    """The part of the archive that the command line, the pages and notebooks ask. No run named means the newest."""

    def runs(self) -> list[RunInfo]:
        """Return all runs, the newest first."""
        return [self._info(row) for row in self._all(f"{RUN} ORDER BY created DESC, rowid DESC")]

    def run(self, name: str | None = None) -> RunInfo:
        """Return a run.

        Raises:
            ArchiveError: if there is none, or none of this name.
        """
        if name is None:
            row = self._one(f"{RUN} ORDER BY created DESC, rowid DESC LIMIT 1")
        else:
            row = self._one(f"{RUN} WHERE name = ?", (name,))
        if row is None:
            raise ArchiveError(self._no_run(name))
        return self._info(row)

    def best(self, n: int = 1, run: str | None = None) -> list[Program]:
        """Return the ``n`` best programs of a run, the best first; of equals the older first. Where candidates are judged on
        several seeds, the champion comes before programs whose score is better: they have not been shown to be. Elsewhere those
        come last that failed when they were judged again.
        """
        info = self.run(run)
        order = "ASC" if info.direction == "minimize" else "DESC"
        verdicts = self.champions(info.name) if info.repeats == 1 else []
        refused = {one.digest for one in verdicts if one.verdict == "refused"}
        rows = self._all(BEST.format(order=order), (info.name, n + len(refused)))
        found = sorted((to_program(row[:-1], row[-1]) for row in rows), key=lambda program: program.digest in refused)
        champion = self.champion(info.name) if info.repeats > 1 else None
        if champion is None:
            return found[:n]
        others = [program for program in found if program.digest != champion.digest]
        return [self.program(info.name, champion.digest), *others][:n]

    def find(self, id: str, run: str | None = None) -> tuple[str, Program]:
        """Return the program whose digest begins with ``id``, and its run.

        Without ``run`` the newest run is searched first, then all; the newest run that has it is taken.

        Raises:
            ArchiveError: if ``id`` is too short, fits no program or several.
        """
        if len(id) < SHORTEST:
            raise ArchiveError(f"{id!r} is too short to name a program: give at least {SHORTEST} characters of its id")
        home = self.run(run).name
        found = self._starting(id, home) or ([] if run else self._starting(id, None))
        if not found:
            where = f"run {home!r}" if run else str(self.path)
            raise ArchiveError(
                f"no program in {where} has an id that begins with {id!r}; `evolve best` and `evolve search` list ids"
            )
        digests = sorted({digest for _, digest in found})
        if len(digests) > 1:
            some = ", ".join(digest[: max(ID_LENGTH, len(id) + 4)] for digest in digests)
            raise ArchiveError(f"{id!r} may be any of {some}: give more characters")
        name, digest = found[0]
        return name, self.program(name, digest)

    def lineage(self, run: str, digest: str) -> list[Program]:
        """Return a program and its ancestors, itself first and the seed last, without sources."""
        return [to_program(row) for row in self._all(LINE, (run, digest))]

    def children(self, run: str, digest: str) -> list[Program]:
        """Return the programs made directly from a program, in the order of their attempts, without sources."""
        sql = f"SELECT {PROGRAM} FROM programs AS p WHERE p.run = ? AND p.parent = ? ORDER BY p.number"
        return [to_program(row) for row in self._all(sql, (run, digest))]

    def evaluations(self, run: str, digest: str) -> list[Judged]:
        """Return every evaluation of a program, the oldest first, with texts but without artifacts."""
        sql = (
            "SELECT e.attempt, e.point, e.purpose, e.digest, e.seed, e.task_digest, e.note, e.judged_at, e.bar, "
            f"{EVALUATION} FROM evaluations AS e WHERE e.run = ? AND e.digest = ? ORDER BY e.id"
        )
        return [_judged(*row) for row in self._all(sql, (run, digest))]

    def artifacts(self, run: str, digest: str) -> list[Artifact]:
        """Return what the judge kept beside the evaluations of a program."""
        sql = (
            "SELECT f.name, f.mime, f.data FROM evaluations AS e JOIN artifacts AS f ON f.evaluation = e.id "
            "WHERE e.run = ? AND e.digest = ? ORDER BY f.id"
        )
        return [Artifact(*row) for row in self._all(sql, (run, digest))]

    def failures(self, run: str | None = None, n: int = 20) -> list[Failure]:
        """Return the last ``n`` attempts of a run that ended early or failed in the judge, the latest first."""
        sql = (
            "SELECT run, number, how, reason, arm, operator, id, parent, at FROM failures "
            "WHERE run = ? ORDER BY number DESC LIMIT ?"
        )
        return [Failure(*row) for row in self._all(sql, (self.run(run).name, n))]

    def spend(self, run: str | None = None) -> list[Spend]:
        """Return what each arm of a run cost, the dearest first: by dollars, then by seconds in the judge."""
        sql = (
            "SELECT run, arm, attempts, evaluations, counted, seconds, cpu_seconds, replies, input_tokens, output_tokens, "
            "tokens, dollars, uncertain_dollars, reply_seconds FROM spend "
            "WHERE run = ? ORDER BY coalesce(dollars, 0) + coalesce(uncertain_dollars, 0) DESC, seconds DESC, arm"
        )
        return [Spend(*row) for row in self._all(sql, (self.run(run).name,))]

    def arm_states(self, run: str | None = None) -> dict[str, tuple[ArmState, str]]:
        """Return of each arm of a run whether it can be asked, and why not."""
        rows = self._all("SELECT name, state, reason FROM arms WHERE run = ? ORDER BY name", (self.run(run).name,))
        return {name: (state, reason) for name, state, reason in rows}

    def reply_spend(self, run: str | None = None) -> list[ReplySpend]:
        """Return what the calls of each arm of a run cost, by what they were for."""
        sql = (
            "SELECT run, arm, purpose, calls, done, failed, uncertain, input_tokens, output_tokens, tokens, dollars, "
            "uncertain_dollars, seconds FROM reply_spend WHERE run = ? ORDER BY arm, purpose DESC"
        )
        return [ReplySpend(*row) for row in self._all(sql, (self.run(run).name,))]

    def search(self, text: str, run: str | None = None, n: int = 20) -> list[Hit]:
        """Return up to ``n`` programs whose code, note, feedback or error has every word of ``text``, the latest first.

        A word matches whole identifiers and their parts between underscores, in any case; ``conv*`` matches beginnings.
        All runs are searched unless ``run`` is given.

        Raises:
            ArchiveError: if ``text`` holds no word, or there is no such run.
        """
        terms, match = _terms(text), match_all(text)
        name = None if run is None else self.run(run).name
        hits = {}
        for row in self._all(_search_code(name), {"match": match, "run": name, "n": n}):
            program = to_program(row[1:-1], row[-1])
            hits[row[0], program.digest] = Hit(row[0], program, *_line(program.sources, terms))
        for row in self._all(_search_words(name), {"match": match, "run": name, "n": n}):
            program = to_program(row[1:-4], row[-4])
            named = dict(zip(("note", "feedback", "error"), row[-3:], strict=True))
            hits.setdefault((row[0], program.digest), Hit(row[0], program, *_line(named, terms, numbered=False)))
        return list(hits.values())[:n]

    def _starting(self, id: str, run: str | None) -> list[tuple[str, str]]:
        """Return (run, digest) of some programs whose digest begins with ``id``, those of newer runs first."""
        low, high = id.lower(), id.lower() + "\U0010ffff"
        if run is not None:
            return self._all(
                "SELECT run, digest FROM programs WHERE run = ? AND digest >= ? AND digest < ? LIMIT 6",
                (run, low, high),
            )
        sql = (
            "SELECT p.run, p.digest FROM programs AS p JOIN runs AS r ON r.name = p.run "
            "WHERE p.digest >= ? AND p.digest < ? ORDER BY r.created DESC LIMIT 200"
        )
        return self._all(sql, (low, high))

    def _no_run(self, name: str | None) -> str:
        """Return what to say when a run is not there."""
        known = [row[0] for row in self._all("SELECT name FROM runs ORDER BY created DESC LIMIT 5")]
        if not known:
            return f"{self.path} holds no run yet; start one with `evolve run TASK`"
        return f"{self.path} has no run {name!r}; the latest are {', '.join(known)} (`evolve runs` lists all)"

    def _info(self, row: Sequence[Any]) -> RunInfo:
        """Make a run of the columns of `RUN`."""
        values = list(row)
        values[7] = json.loads(values[7])
        values[9] = self._state(values[0], values[9])
        return RunInfo(*values)


def _judged(
    attempt: int,
    point: int,
    purpose: Purpose,
    digest: str,
    seed: int,
    task: str,
    note: str,
    at: float,
    bar: float | None,
    *columns: Any,
) -> Judged:
    """Make an evaluation with its place of its columns."""
    return Judged(attempt, point, purpose, digest, seed, task, note, at, bar, to_evaluation(columns))


def _search_code(run: str | None) -> str:
    """Return the query for programs whose code matches."""
    only = "" if run is None else "AND p.run = :run"
    return (
        f"SELECT p.run, {PROGRAM}, s.files FROM code JOIN sources AS s ON s.id = code.rowid "
        "JOIN programs AS p ON p.source = s.hash "
        f"WHERE code MATCH :match {only} ORDER BY code.rowid DESC LIMIT :n"
    )


def _search_words(run: str | None) -> str:
    """Return the query for programs whose evaluations say what matches."""
    only = "" if run is None else "AND e.run = :run"
    return (
        f"SELECT e.run, {PROGRAM}, s.files, e.note, e.feedback, e.error FROM words "
        "JOIN evaluations AS e ON e.id = words.rowid "
        "JOIN programs AS p ON p.run = e.run AND p.digest = e.digest JOIN sources AS s ON s.hash = p.source "
        f"WHERE words MATCH :match {only} ORDER BY words.rowid DESC LIMIT :n"
    )


def match_all(text: str) -> str:
    """Return the FTS5 query for what has every word of ``text``.

    Raises:
        ArchiveError: if it holds no word, or is longer than anybody's.
    """
    if len(text) > LONGEST_SEARCH:
        raise ArchiveError(f"a search has at most {LONGEST_SEARCH} characters, not {len(text)}")
    return " ".join(f'"{_quoted(term)}"*' if term.endswith("*") else f'"{_quoted(term)}"' for term in _terms(text))


def _terms(text: str) -> list[str]:
    """Return the words to search for."""
    found = [term for term in clean(text).replace("\0", " ").split() if any(letter.isalnum() for letter in term)]
    if not found:
        raise ArchiveError(f"{text!r} has no word to search for")
    return found


def _quoted(term: str) -> str:
    """Return ``term`` as the inside of an FTS5 string, so that nothing in it is an operator."""
    return term.removesuffix("*").replace('"', '""')


def _line(texts: Sources, terms: Sequence[str], *, numbered: bool = True) -> tuple[str, str]:
    """Return where the rarest-looking (longest) term stands in ``texts`` and the line itself."""
    for term in sorted((term.removesuffix("*").lower() for term in terms), key=len, reverse=True):
        for path, text in texts.items():
            for number, line in enumerate(text.splitlines(), start=1):
                if term in line.lower():
                    return (f"{path}:{number}" if numbered else path), line.strip()
    return next(iter(texts), ""), ""

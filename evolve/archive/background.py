"""What helps to change a program: what the judge saw of it, what was tried on it, the steps that led to it.

All of it is read as it stood when the attempt was asked for, so that a replay and a resume render the same prompt.
"""

from __future__ import annotations

from typing import Any

from evolve.archive.database import Database
from evolve.archive.rows import EVALUATION, ArmHistory, to_evaluation
from evolve.records import Background, Evaluation, Proposal, Tried

LATEST = 8
"""How many earlier attempts, and how many steps, are told of."""

LONGEST = 600
"""Characters of a reason or an error that are told of."""

SEEN = f"""
SELECT {EVALUATION} FROM evaluations AS e
WHERE e.run = ? AND e.attempt = ? AND e.digest = ? AND e.status <> 'judge_error' ORDER BY e.point LIMIT 1
"""
TRIED = """
SELECT a.number, a.arm, a.operator,
    iif(e.stage = 'screen' AND e.status = 'ok', 'screened out', coalesce(c.status, e.status, a.stage, '')),
    a.note, a.reason, e.error, e.feedback, c.score
FROM attempts AS a
LEFT JOIN programs AS c ON c.run = a.run AND c.digest = a.program
LEFT JOIN evaluations AS e ON e.run = a.run AND e.attempt = a.number AND e.point = 0
WHERE a.run = :run AND a.parent = :parent AND a.told_order <= :told AND a.source IS NOT NULL
ORDER BY a.told_order DESC LIMIT :most
"""
STEPS = """
WITH RECURSIVE line (digest, step) AS (
    SELECT :parent, 0
    UNION ALL
    SELECT p.parent, step + 1 FROM line CROSS JOIN programs AS p ON p.run = :run AND p.digest = line.digest
    WHERE p.parent IS NOT NULL AND step < :most
)
SELECT c.number, c.arm, c.operator, c.status, a.note, c.score, p.score
FROM line
CROSS JOIN programs AS c ON c.run = :run AND c.digest = line.digest
CROSS JOIN programs AS p ON p.run = :run AND p.digest = c.parent
LEFT JOIN attempts AS a ON a.run = :run AND a.number = c.number
ORDER BY line.step LIMIT :most
"""
ARMS = """
WITH earlier AS (SELECT name AS run FROM runs WHERE task_digest = ?)
SELECT arm, operator, sum(attempts), sum(ok), sum(gained), sum(evaluations), total(gain), total(dollars), sum(tokens),
    total(seconds)
FROM (
    SELECT a.arm, a.operator, 1 AS attempts, 0 AS ok, coalesce(a.gain > 0, 0) AS gained, 0 AS evaluations, a.gain,
        0.0 AS dollars, 0 AS tokens, 0.0 AS seconds
    FROM earlier AS w
    CROSS JOIN attempts AS a ON a.run = w.run AND a.state = 'told'
    UNION ALL
    SELECT a.arm, a.operator, 0, e.point = 0 AND e.status = 'ok', 0, 1, 0.0, 0.0, 0, e.seconds
    FROM earlier AS w
    CROSS JOIN evaluations AS e ON e.run = w.run
    CROSS JOIN attempts AS a ON a.run = e.run AND a.number = e.attempt AND a.state = 'told'
    UNION ALL
    SELECT a.arm, a.operator, 0, 0, 0, 0, 0.0, r.dollars, r.tokens, r.seconds
    FROM earlier AS w
    CROSS JOIN replies AS r ON r.run = w.run
    CROSS JOIN attempts AS a ON a.run = r.run AND a.number = r.attempt AND a.state = 'told'
)
GROUP BY arm, operator
"""


class Backgrounds(Database):
    """The part of the archive that prompts are rendered from, and priors."""

    def background(self, run: str, proposal: Proposal) -> Background:
        """Return what is known that helps to change the parent of ``proposal``.

        What was told after it was asked for is left out, and so is what was never drafted. The evaluation comes without
        artifacts.
        """
        parent = proposal.parent
        (direction,) = self._one("SELECT direction FROM runs WHERE name = ?", (run,)) or ("maximize",)
        sign = -1.0 if direction == "minimize" else 1.0
        asked = {"run": run, "parent": parent.digest, "told": proposal.told, "most": LATEST}
        seen = self._one(SEEN, (run, parent.number, parent.digest))
        return Background(
            Evaluation(parent.status, parent.score, parent.metrics) if seen is None else to_evaluation(seen),
            tuple(_tried(row, parent.score, sign) for row in self._all(TRIED, asked)),
            tuple(
                Tried(number, arm, operator, how, note or "", "", score, _gain(score, before, sign))
                for number, arm, operator, how, note, score, before in self._all(STEPS, asked)
            ),
        )

    def arm_history(self, task_digest: str) -> list[ArmHistory]:
        """Return what each arm achieved with each operator in all runs of a task so far."""
        return [ArmHistory(*row) for row in self._all(ARMS, (task_digest,))]


def _tried(row: tuple[Any, ...], before: float | None, sign: float) -> Tried:
    """Make an earlier attempt of the columns of `TRIED`."""
    number, arm, operator, how, note, reason, error, feedback, score = row
    why = "" if score is not None else reason or error or feedback or ""
    return Tried(number, arm, operator, how, note, _shortened(why, how), score, _gain(score, before, sign))


def _shortened(why: str, how: str) -> str:
    """Return the beginning of ``why``, or of a traceback whole lines of its end, where the error itself stands."""
    why = why.strip()
    if len(why) <= LONGEST:
        return why
    if how != "crash":
        return why[:LONGEST] + "…"
    end = why[-LONGEST:]
    return "…\n" + (end.split("\n", 1)[1] if "\n" in end.rstrip("\n") else end)


def _gain(score: float | None, before: float | None, sign: float) -> float | None:
    """Return by how much a score is better than another, where there are both."""
    if score is None or before is None:
        return None
    gain = sign * (score - before)
    return gain if gain == gain else None  # two infinite scores have no difference

"""Where the best program of a run stands, in sentences and as rows to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evolve.archive.rows import RunState
from evolve.phrases import several, span
from evolve.records import Program
from evolve.view.report.doubts import figure
from evolve.view.report.facts import Best, Facts, Interval

GOES: Mapping[RunState, str] = {
    "running": "is still running",
    "paused": "is paused",
    "cut off": "was cut off: no process runs it any more",
    "done": "is done",
    "stopped": "was stopped",
}
"""What to say of a run's state."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A score to compare with: ``behind`` is by how much the best program is better."""

    what: str
    score: float | None
    behind: float | None = None
    interval: Interval | None = None
    note: str = ""


def headline(facts: Facts) -> str:
    """Return what became of the run, in a sentence or two."""
    best = facts.best
    if best is None:
        if not facts.starts:
            return "Nothing has been judged yet."
        first = facts.starts[0]
        return f"No program has a score. The seed program {first.id} ended as {first.status}."
    unit = f" {facts.run.unit}" if facts.run.unit else ""
    score = f"{figure(best.program.score)}{unit}"
    said = f"The best program, {best.program.id}, scores {score}."
    if best.fresh is not None:
        fresh = best.fresh
        chosen_by = figure(best.program.score)
        said = (
            f"The best program, {best.program.id}, scores {figure(fresh.mean)}{unit} ({figure(fresh.low)} to "
            f"{figure(fresh.high)}) on {fresh.n} fresh seeds, those of its promotion among them, and {chosen_by} on those it was "
            "chosen by."
        )
    if best.program.number <= 0:
        return f"{said} Nothing better came of the run than what it started from."
    if not facts.starts:
        return said
    seed = facts.starts[0].score
    said = f"{said} The seed program scores {figure(seed)}"
    others = [one.score for one in facts.starts[1:] if (facts.better(one.score, seed) or 0.0) > 0.0]
    if not others:
        return f"{said}."
    most = max(others, key=lambda score: facts.sign * (score or 0.0))
    return f"{said}, the best that it started from {figure(most)}."


def standings(facts: Facts, baselines: int | None = None) -> list[Standing]:
    """Return the scores that that of the best program is to be compared with, and as many of the best ``baselines``."""
    best = facts.best
    if best is None:
        return []
    own, verdict = best.program.score, best.verdict

    def beside(what: str, score: float | None, note: str = "", interval: Interval | None = None) -> Standing:
        return Standing(what, score, facts.better(own, score), interval, note)

    found = [Standing("best program", own, None, best.seeds, _on(best))]
    if best.fresh is not None:
        found.append(beside("on fresh seeds", best.fresh.mean, several(best.fresh.n, "seed", "seeds"), best.fresh))
    if verdict is not None and verdict.cold_status is not None:
        found.append(
            beside("in a cold process", verdict.cold_score, "" if verdict.cold_status == "ok" else verdict.cold_status)
        )
    if best.validated is not None:
        note = "held out" if best.validated.status == "ok" else best.validated.status
        found.append(beside("by validate", best.validated.score, note))
    for place, start in enumerate(facts.starts):
        what = "seed program" if place == 0 else "started from"
        if start.digest != best.program.digest:
            found.append(beside(what, start.score, _named(start)))
    found += [
        beside("tuning alone", one.best.score, f"{one.best.id}, from {_named(one.start)}")
        for one in facts.tuned
        if one.best is not None and one.best.digest != best.program.digest
    ]
    found += [beside("baseline", one.score, f"{one.name} ({one.source})") for one in facts.baselines[:baselines]]
    return found


def ceilings(facts: Facts) -> list[str]:
    """Return how far tuning of constants alone came from what the run started from, a sentence each."""
    said = []
    for one in facts.tuned:
        what = "the seed program" if one.start.number == 0 else _named(one.start)
        if one.best is None:
            tried = f" ({several(one.programs, 'was judged', 'were judged')})" if one.programs else ""
            said.append(
                f"No program with a score came of {what} by tuning alone{tried}: there is no ceiling to compare with."
            )
            continue
        best, tried = one.best, several(one.programs, "program", "programs")
        if best.score is not None and not (facts.better(best.score, one.start.score) or 0.0) > 0.0:
            said.append(f"Tuning alone made nothing better of {what} ({tried}, the best scores {figure(best.score)}).")
            continue
        line = f"Tuning alone brought {what} from {figure(one.start.score)} to {figure(best.score)} ({tried})"
        found = facts.best
        by = None if found is None else facts.better(found.program.score, best.score)
        if found is not None and found.tuned and found.line[0].parent.digest == one.start.digest:
            said.append(f"{line}. The best program came by tuning alone: all that the run changed in it are constants.")
        elif by is not None and by > 0:
            said.append(f"{line}; the best program is better by {figure(by)}.")
        else:
            said.append(f"{line}; the best program is no better.")
    return said


def _named(start: Program) -> str:
    """Return how to call a program that a run started from."""
    return start.id if start.number == 0 else f"{start.id} ({start.operator.rpartition('/')[2]})"


def _on(best: Best) -> str:
    """Return on how many seeds a program was judged."""
    repeats = len(best.evaluation.repeats)
    return several(repeats, "common seed", "common seeds") if repeats else ""


def spent(facts: Facts) -> str:
    """Return what the run has spent so far, and whether it goes on."""
    info = facts.run
    dollars = [one.dollars for one in facts.spend]
    paid = "unknown dollars" if None in dollars else f"${sum(one or 0.0 for one in dollars):.4f}"
    tokens = sum(one.tokens for one in facts.spend)
    parts = [several(info.evaluations, "evaluation", "evaluations"), several(facts.told, "attempt", "attempts")]
    parts += [
        span(info.seconds),
        *([paid, f"{tokens:,} tokens"] if tokens or None in dollars else ["no model was asked"]),
    ]
    reason = f" ({info.reason})" if info.reason else ""
    return f"{', '.join(parts)}; it {GOES[info.state]}{reason}."

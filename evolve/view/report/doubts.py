"""What is doubtful about the best program of a run, each doubt with the numbers it comes from.

No doubt is no proof: a doubt is raised only where the archive holds something that speaks against the score, or where a
check that the framework makes could not be made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from evolve.archive import MIXED
from evolve.champions import SAME
from evolve.phrases import several
from evolve.view.report.facts import Best, Facts


@dataclass(frozen=True, slots=True)
class Doubt:
    """``about`` is a short name that never changes, ``words`` a sentence or two."""

    about: str
    words: str


def doubts(facts: Facts) -> list[Doubt]:
    """Return what speaks against the best program of a run, or against comparing with it."""
    found = [Doubt(about, words) for about, raised in OF_RUN.items() if (words := raised(facts))]
    if facts.best is not None:
        best = facts.best
        found = [Doubt(about, words) for about, raised in OF_BEST.items() if (words := raised(facts, best))] + found
    return found


def figure(value: float | None) -> str:
    """Return a number for a sentence."""
    return "none" if value is None else f"{value:.6g}"


def _noise(facts: Facts, best: Best) -> str:
    """Steps of the lineage may be chance."""
    weak = [step.program.id for step in best.gained if step.paired is not None and step.paired.low <= 0]
    if not weak:
        return ""
    return (
        f"{several(len(weak), 'step', 'steps')} of its lineage ({', '.join(weak)}) gained no more than chance explains on the "
        "seeds that parent and child were both judged on."
    )


def _optimism(facts: Facts, best: Best) -> str:
    """It was chosen for its score, so part of the score may be luck."""
    fresh, score = best.fresh, best.program.score
    by = None if fresh is None else facts.better(score, fresh.mean)
    if fresh is None or by is None or by <= (fresh.high - fresh.low) / 2:
        return ""
    return (
        f"On {fresh.n} fresh seeds it scores {figure(fresh.mean)} ({figure(fresh.low)} to {figure(fresh.high)}), worse than the "
        f"{figure(score)} that it was chosen by: trust the former."
    )


def _close(facts: Facts, best: Best) -> str:
    """Others may be as good."""
    # On fresh seeds, which say more than the common ones.
    beaten = None if best.verdict is None else best.verdict.against
    close = [
        one.program.id
        for one in best.rivals
        if one.paired is not None and one.paired.low <= 0 and one.program.digest != beaten
    ]
    if close:
        return f"{several(len(close), 'program', 'programs')} cannot be told from it on the common seeds: {', '.join(close)}."
    cold = best.verdict.cold_difference if best.verdict is not None else None
    near = [one.program.id for one in best.rivals if cold and one.behind is not None and 0 < one.behind <= abs(cold)]
    if not near:
        return ""
    return (
        f"{', '.join(near)} {'is' if len(near) == 1 else 'are'} behind by no more than its own score changed from one "
        f"judging to the next ({figure(abs(cold or 0.0))})."
    )


def _waiting(facts: Facts, best: Best) -> str:
    """Who scored better may be better."""
    if not best.waiting:
        return ""
    ids = ", ".join(one.id for one in best.waiting)
    return (
        f"{several(len(best.waiting), 'program', 'programs')} scored better but never stood against it: {ids}. Only the best "
        "few that wait are, and only while the run goes on."
    )


def _cold(facts: Facts, best: Best) -> str:
    """Its score is another one in a cold process."""
    verdict, score = best.verdict, best.program.score
    if verdict is None or verdict.cold_score is None or score is None:
        return ""
    if abs(verdict.cold_score - score) <= SAME * max(abs(verdict.cold_score), abs(score)):
        return ""
    return (
        f"In a cold process it scores {figure(verdict.cold_score)}, in a fork of a warm one {figure(score)}: the score depends "
        "on chance or on the state of its process."
    )


def _partial(facts: Facts, best: Best) -> str:
    """It was not judged on all seeds."""
    judged = len(best.evaluation.repeats)
    if facts.run.repeats == 1 or judged in (0, facts.run.repeats):
        return ""
    return f"It was judged on {judged} of {facts.run.repeats} seeds; its score is projected from these."


NOT_VALIDATED = (
    "`validate` has not judged it: the run stopped before, or `evaluate.py` failed then. `evolve resume` tries again, with a "
    "larger budget where the run is done."
)


def _held_out(facts: Facts, best: Best) -> str:
    """`validate` gives a worse score."""
    seen, verdict = best.validated, best.verdict
    if seen is not None and seen.status != "ok":
        return f"`validate` ended as {seen.status}: {seen.error.strip() or 'no reason was given'}"
    if verdict is None or verdict.gap is None:
        promoted = verdict is not None and verdict.verdict == "promoted"
        return NOT_VALIDATED if promoted and any(one.gap is not None for one in facts.verdicts) else ""
    spread = best.fresh or best.seeds
    if verdict.gap <= (0.0 if spread is None else (spread.high - spread.low) / 2):
        return ""
    first = next((one for one in facts.verdicts if one.place == 0 and one.digest != best.program.digest), None)
    beside = (
        ""
        if first is None or first.gap is None
        else f" For the program that the run started from the gap is {figure(first.gap)}."
    )
    return (
        f"`validate`, which no prompt ever showed, gives it {figure(verdict.validate_score)}: a hidden gap of "
        f"{figure(verdict.gap)}.{beside}"
    )


def _isolation(facts: Facts, best: Best) -> str:
    """The jail was weaker than it can be."""
    seen = best.evaluation
    if seen.isolation == "namespaces":
        return ""
    why = f" ({seen.isolation_reason})" if seen.isolation_reason else ""
    return f"It was judged with isolation `{seen.isolation}`, below `namespaces`{why}; `evolve doctor` says what that withstands."


def _integrity(facts: Facts, best: Best) -> str:
    """The program could have forged its score."""
    words = {
        "best-effort": "a process of the same user might have reached the judge",
        "same-process": "it ran where its score was made, and could have forged it",
    }.get(best.evaluation.integrity, "")
    return f"The integrity of its score is `{best.evaluation.integrity}`: {words}." if words else ""


def _record(facts: Facts, best: Best) -> str:
    """A score that is as good as any known deserves a second look."""
    score, known = best.program.score, facts.baselines
    reached = []
    if (by := facts.better(score, facts.target)) is not None and by >= 0:
        reached.append(f"reaches the target {figure(facts.target)}")
    if known and (by := facts.better(score, known[0].score)) is not None and by > 0:
        reached.append(f"is better than the best known, {figure(known[0].score)} ({known[0].name})")
    if not reached:
        return ""
    return f"Its score {' and '.join(reached)}. What checks that: {', '.join(_checks(best))}."


def _checks(best: Best) -> list[str]:
    """Return what was done to find out whether a score is true."""
    seen, verdict, fresh = best.evaluation, best.verdict, best.fresh
    cold = verdict is not None and verdict.cold_score is not None
    return [
        f"isolation `{seen.isolation}`",
        f"integrity `{seen.integrity}`",
        "judged again in a cold process" if cold or seen.fresh == "process" else "not judged again in a cold process",
        "no fresh seeds" if fresh is None else several(fresh.n, "fresh seed", "fresh seeds"),
        "no `validate`" if best.validated is None else f"`validate` {figure(best.validated.score)}",
    ]


def _objectives(facts: Facts, best: Best) -> str:
    """There may be no single best program."""
    others = [name for name in facts.objectives if name != "score"]
    if not others:
        return ""
    return (
        f"The run has several objectives ({', '.join(['score', *others])}); this is the best by score alone. "
        "`evolve view` shows the front of programs that no other beats."
    )


def _task(facts: Facts) -> str:
    """Not all was judged by the same task."""
    if len(facts.digests) > 1:
        return (
            f"The task changed while the run went on: evaluations were made under {len(facts.digests)} digests of it."
        )
    if facts.task is not None and facts.task.digest != facts.run.task_digest:
        return "The task on this disk is no longer the one that the run was judged by."
    return ""


def _environment(facts: Facts) -> str:
    """The sittings had other versions."""
    return (
        "It was resumed with other versions of Python or of the task's packages than it began with."
        if facts.environment == MIXED
        else ""
    )


def _screen(facts: Facts) -> str:
    """The screen may have held back what was good."""
    seen = facts.screening
    if seen is None or not seen.better_than_parent:
        return ""
    return (
        f"The screen errs: of {seen.audited} held back but judged all the same, {seen.better_than_parent} were better than their "
        f"parent and {seen.better_than_best} than the best; {seen.held_back} were held back unseen."
    )


def _set_aside(facts: Facts) -> str:
    """Programs on which evaluate.py failed were never judged."""
    failed = sum(
        one.count for one in facts.failing if one.how == "judge" and one.reason.startswith("evaluate.py failed")
    )
    return (
        f"evaluate.py failed on {several(failed, 'program', 'programs')}, which took no part in the search: `evolve failures`."
        if failed
        else ""
    )


def _dollars(facts: Facts) -> str:
    """What it cost is not known."""
    unpriced = [one.arm for one in facts.spend if one.dollars is None or one.uncertain_dollars is None]
    unsure = sum(one.uncertain_dollars or 0.0 for one in facts.spend)
    parts = [f"the price of {', '.join(unpriced)} is unknown"] if unpriced else []
    parts += [f"up to ${unsure:.4f} may have been charged for calls whose end nobody saw"] if unsure else []
    return f"Costs are uncertain: {' and '.join(parts)}." if parts else ""


OF_BEST: dict[str, Callable[[Facts, Best], str]] = {
    "integrity": _integrity,
    "isolation": _isolation,
    "held out": _held_out,
    "luck": _optimism,
    "noise": _noise,
    "rivals": _close,
    "waiting": _waiting,
    "cold process": _cold,
    "seeds": _partial,
    "record": _record,
    "objectives": _objectives,
}
OF_RUN: dict[str, Callable[[Facts], str]] = {
    "task": _task,
    "environment": _environment,
    "screen": _screen,
    "set aside": _set_aside,
    "dollars": _dollars,
}
"""What each doubt is about, and who raises it: an empty text is none."""

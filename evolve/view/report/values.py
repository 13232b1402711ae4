"""The facts of a report as plain values, for ``evolve report --json``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from evolve.archive.values import summary, unified
from evolve.view.report.facts import Best, Facts


def plain(facts: Facts) -> dict[str, Any]:
    """Return the facts as plain values: the best program with its files, the steps to it with their differences."""
    run, best = facts.run.name, facts.best
    return {
        "run": asdict(facts.run),
        "environment": facts.environment,
        "attempts": {"asked": facts.asked, "told": facts.told},
        "objectives": dict(facts.objectives),
        "task_digests": list(facts.digests),
        "baselines": [asdict(one) for one in facts.baselines],
        "starts": [summary(run, one) for one in facts.starts],
        "best": None if best is None else _plain_best(run, best),
        "tuned": [
            {
                "start": one.start.id,
                "best": None if one.best is None else summary(run, one.best),
                "programs": one.programs,
            }
            for one in facts.tuned
        ],
        "verdicts": [one.plain() for one in facts.verdicts],
        "spend": [asdict(one) for one in facts.spend],
        "failures": [asdict(one) for one in facts.failing],
        "screening": None if facts.screening is None else asdict(facts.screening),
    }


def _plain_best(run: str, best: Best) -> dict[str, Any]:
    seen = best.evaluation
    return {
        **summary(run, best.program),
        "files": dict(best.program.sources),
        "seeds": None if best.seeds is None else asdict(best.seeds),
        "repeats": [asdict(one) for one in seen.repeats],
        "fresh": None if best.fresh is None else asdict(best.fresh),
        "verdict": None if best.verdict is None else best.verdict.plain(),
        "validate": None if best.validated is None else asdict(best.validated),
        "isolation": seen.isolation,
        "integrity": seen.integrity,
        "feedback": seen.feedback,
        "lineage": [
            {
                **summary(run, step.program),
                "note": step.note,
                "gain": step.gain,
                "paired": None if step.paired is None else asdict(step.paired),
                "diff": "\n".join(line for lines in unified(step.parent, step.program).values() for line in lines),
            }
            for step in best.line
        ],
        "rivals": [
            {
                "id": one.program.id,
                "score": one.program.score,
                "behind": one.behind,
                "paired": None if one.paired is None else asdict(one.paired),
                "refused": one.refused,
            }
            for one in best.rivals
        ],
        "waiting": [one.id for one in best.waiting],
        "artifacts": [{"name": one.name, "mime": one.mime, "bytes": len(one.data)} for one in best.artifacts],
    }

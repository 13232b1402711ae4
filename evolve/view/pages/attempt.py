"""One attempt, also one that no program came of: what was asked for, where and why it ended, what was said."""

from __future__ import annotations

from dataclasses import asdict

from evolve.archive.values import summary
from evolve.view import code
from evolve.view.shown import Shown, Visit


def attempt(visit: Visit) -> Shown:
    """Show one attempt."""
    archive = visit.archive
    run = archive.run(visit.path["run"])
    found = archive.attempt(run.name, int(visit.path["number"]))
    talk = archive.conversation(run.name, found.proposal.number)
    parent, draft = found.proposal.parent, found.draft
    changes = {} if draft is None else code.changes(parent.sources, draft.sources)
    values = {"run": run, "attempt": found, "changes": changes, "talk": talk}
    data = {
        "number": found.proposal.number,
        "arm": found.proposal.arm,
        "operator": found.proposal.operator,
        "parent": summary(run.name, parent),
        "stage": found.stage,
        "reason": found.reason,
        "note": "" if draft is None else draft.note,
        "files": {} if draft is None else dict(draft.sources),
        "program": None if found.program is None else summary(run.name, found.program),
        "conversation": [asdict(one) for one in talk],
    }
    return Shown("attempt.html.j2", values, data)

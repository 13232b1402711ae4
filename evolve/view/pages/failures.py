"""What of a run ended early or failed, counted and one by one."""

from __future__ import annotations

from dataclasses import asdict

from evolve.view.drawing.plots import Bar, bars
from evolve.view.shown import Shown, Visit

ROWS = 200


def failures(visit: Visit) -> Shown:
    """Show the failures of a run."""
    archive = visit.archive
    info = archive.run(visit.path["run"])
    ended, latest = archive.ended(info.name), archive.failures(info.name, ROWS)
    counts: dict[str, int] = {}
    for one in ended:
        counts[one.how] = counts.get(one.how, 0) + one.count
    rows = [Bar(how, count) for how, count in sorted(counts.items(), key=lambda item: -item[1])]
    picture = (
        bars(rows, title="How attempts ended early, by stage or status", x="attempts and evaluations") if rows else ""
    )
    values = {
        "run": info,
        "ended": ended,
        "latest": latest,
        "picture": picture,
        "statuses": archive.statuses(info.name),
    }
    return Shown(
        "failures.html.j2", values, {"ended": [asdict(one) for one in ended], "latest": [asdict(one) for one in latest]}
    )

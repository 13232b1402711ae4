"""The hints of a run, and everything else that people asked of it."""

from __future__ import annotations

from dataclasses import asdict

from evolve.archive.commands import LONGEST_HINT
from evolve.view.shown import Shown, Visit


def hints(visit: Visit) -> Shown:
    """Show what people asked of a run."""
    archive = visit.archive
    info = archive.run(visit.path["run"])
    in_force, asked = archive.hints(info.name), archive.commands(info.name)
    values = {
        "run": info,
        "hints": in_force,
        "asked": asked,
        "longest": LONGEST_HINT,
        "deaf": not info.asks,
    }
    return Shown(
        "hints.html.j2", values, {"hints": [asdict(one) for one in in_force], "asked": [asdict(one) for one in asked]}
    )

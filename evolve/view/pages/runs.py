"""All runs of the archive."""

from __future__ import annotations

from dataclasses import asdict

from evolve.view.shown import Shown, Visit


def runs(visit: Visit) -> Shown:
    """Show every run, the newest first."""
    archive = visit.archive
    found = archive.runs()
    states = {info.name: archive.state(info) for info in found}
    data = [{**asdict(info), "state": states[info.name]} for info in found]
    return Shown("runs.html.j2", {"runs": found, "states": states, "db": archive.path.name}, data)

"""All runs of the archive."""

from __future__ import annotations

from dataclasses import asdict

from evolve.view.shown import Shown, Visit


def runs(visit: Visit) -> Shown:
    """Show every run, the newest first."""
    archive = visit.archive
    found = archive.runs()
    data = [asdict(info) for info in found]
    return Shown("runs.html.j2", {"runs": found, "db": archive.path.name}, data)

"""Which files a run leaves in the folder where it was begun: where that is its task's, they are no part of the task."""

from __future__ import annotations

import re
from pathlib import Path

SETTINGS = "evolve.toml"
_COMPANION = re.compile(r"(?:-wal|-shm|-journal|\..+\.lock)$")
"""What is added to an archive's name for the files beside it, while it is open or a run is driven."""


def left_by_a_run(path: Path) -> bool:
    """Return whether a file is the settings of runs, an archive or what stands beside one, or a report."""
    if path.name == SETTINGS or path.name.endswith("-report.html") or path.name.startswith("evolve.db"):
        return True
    of = [path.name[:at] for at in range(1, len(path.name)) if _COMPANION.match(path.name, at)]
    return any(_is_archive(path.with_name(name)) for name in [path.name, *of])


def _is_archive(path: Path) -> bool:
    """Return whether a file is one of our archives: a database of SQLite's with our number (https://sqlite.org/fileformat.html)."""
    from evolve.archive.database import APPLICATION  # a task is read by what opens no archive

    if not path.is_file():
        return False
    with path.open("rb") as file:
        header = file.read(72)
    return header.startswith(b"SQLite format 3\0") and int.from_bytes(header[68:72], "big") == APPLICATION

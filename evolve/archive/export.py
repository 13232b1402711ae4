"""Copies out of an archive: its best programs as files, or a run as a database of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from evolve.archive import Archive
from evolve.archive.database import Database
from evolve.archive.values import plain, summary
from evolve.errors import ArchiveError
from evolve.records import Artifact

DATABASES = {".db", ".sqlite", ".sqlite3"}
"""A target with one of these endings is a database, any other a folder."""

LONGEST = 100
"""The most characters of an artifact's name that its file has."""

TABLES = (
    "runs",
    "sittings",
    "objectives",
    "arms",
    "sources",
    "starts",
    "programs",
    "metrics",
    "attempts",
    "prompts",
    "replies",
    "evaluations",
    "artifacts",
    "champions",
    "reviews",
    "commands",
)
"""What a run consists of, each table after those it refers to."""

OWN = {
    "runs": "name = :run",
    "sources": "hash IN (SELECT source FROM whole.programs WHERE run = :run "
    "UNION SELECT source FROM whole.starts WHERE run = :run "
    "UNION SELECT source FROM whole.attempts WHERE run = :run UNION SELECT source FROM whole.evaluations WHERE run = :run)",
    "prompts": "hash IN (SELECT prompt FROM whole.replies WHERE run = :run)",
    "artifacts": "evaluation IN (SELECT id FROM whole.evaluations WHERE run = :run)",
}
"""Which rows of a table are a run's, where ``run = :run`` does not say it."""


def write_folder(archive: Archive, run: str | None, folder: Path, n: int) -> list[dict[str, Any]]:
    """Write the ``n`` best programs of a run below ``folder``, each in a folder of its own, and an ``index.json``.

    What the judge kept beside a program goes into a second folder, ``…-artifacts``; the index has the file of each.

    Returns:
        What the index holds, the best program first.

    Raises:
        ArchiveError: if ``folder`` holds something already, or the run has no program with a score.
    """
    name = archive.run(run).name
    programs = archive.best(n, name)
    if not programs:
        raise ArchiveError(f"run {name!r} has no program with a score to export; `evolve failures` says why")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ArchiveError(f"{folder} is not an empty folder; give another --to")
    index = []
    for rank, program in enumerate(programs, start=1):
        place = f"{rank:0{len(str(len(programs)))}}-{program.id}"
        files = {path: text.encode("utf-8", "surrogatepass") for path, text in program.sources.items()}
        _write_files(folder / place, files)
        kept = write_artifacts(archive.artifacts(name, program.digest), folder / f"{place}-artifacts")
        contents = {"folder": place, "files": sorted(files), "artifacts": kept}
        index.append({"rank": rank, **summary(name, program), **contents})
    (folder / "index.json").write_text(json.dumps(plain(index), indent=2, allow_nan=False) + "\n", "utf-8")
    return index


def write_artifacts(artifacts: Iterable[Artifact], folder: Path) -> dict[str, str]:
    """Write what a judge kept into ``folder``, which is made if there is anything, and return the name of each one's file.

    Those are the artifacts' own names as far as these can be names of files, which may come from where a candidate runs.
    """
    written: dict[str, str] = {}
    taken: set[str] = set()
    for artifact in artifacts:
        path = PurePosixPath(
            re.sub(r"[^\w.-]+", "-", artifact.name, flags=re.ASCII).strip(".-")[-LONGEST:] or "artifact"
        )
        name, again = str(path), 1
        while name.lower() in taken:
            again += 1
            name = f"{path.stem}-{again}{path.suffix}"
        taken.add(name.lower())
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(artifact.data)
        written[artifact.name] = name
    return written


def write_database(archive: Archive, run: str | None, path: Path) -> str:
    """Write a run with all that belongs to it into a new archive at ``path``, which every verb can open; return its name.

    Raises:
        ArchiveError: if there is something at ``path``.
    """
    name = archive.run(run).name
    if path.exists():
        raise ArchiveError(f"{path} exists already; give another --to")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with Copy(path) as copy:
            copy.take(archive.path, name)
    except BaseException:
        for left in (path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")):
            left.unlink(missing_ok=True)
        raise
    return name


class Copy(Database):
    """A new archive that takes a run from another one."""

    def take(self, source: Path, run: str) -> None:
        """Copy ``run`` and all that belongs to it, in one transaction; the new file's triggers index the texts."""
        self._run("ATTACH ? AS whole", (str(source),))
        with self.transaction("BEGIN"):  # an immediate one would lock the attached file too, which a run may be writing
            for table in TABLES:
                columns = ", ".join(name for (name,) in self._all("SELECT name FROM pragma_table_info(?)", (table,)))
                rows = f"SELECT {columns} FROM whole.{table} WHERE {OWN.get(table, 'run = :run')} ORDER BY rowid"
                if table in ("sittings", "objectives", "arms", "starts", "metrics", "champions"):  # these have no rowid
                    rows = rows.removesuffix(" ORDER BY rowid")
                self._run(f"INSERT INTO main.{table} ({columns}) {rows}", {"run": run})
        self._run("DETACH whole")


def _write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below ``folder``.

    Raises:
        ArchiveError: for a path that leads out of it.
    """
    for name, data in files.items():
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ArchiveError(f"a program has a file {name!r} that would be written outside {folder}")
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)

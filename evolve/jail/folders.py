"""The folder of one jail on the host: the candidate's sources, and its scratch space where that is no memory file system."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from evolve.jail.home import clear, home
from evolve.jail.launch import Places
from evolve.jail.packages import Visible


class Folders:
    """Made when constructed, removed by `close`.

    Args:
        files: relative path -> content of the sources.
        uid: whom the scratch folder is for, or None for ourselves.
        outside: whether the jail sees a file system of its own, so that only bubblewrap reads what is here.

    Raises:
        ValueError: if a path leads outside.
    """

    def __init__(self, files: Mapping[str, str | bytes], uid: int | None, *, outside: bool) -> None:
        for path in files:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"the path {path!r} leads outside the program's folder")
        self._top = Path(tempfile.mkdtemp(prefix="jail-", dir=home()))
        self.program = self._top / "program"
        self._write(files)
        if not outside:
            self._scratch = self._top / "scratch"
            self._scratch.mkdir(0o700)
            if uid is not None:
                os.chown(self._scratch, uid, uid)
                os.chown(self._top, -1, uid)
                self._top.chmod(0o710)

    def _write(self, files: Mapping[str, str | bytes]) -> None:
        _folder(self.program)
        for path, content in files.items():
            place = self.program / path
            for parent in reversed(PurePosixPath(path).parents[:-1]):
                _folder(self.program / parent)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
            place.chmod(0o644)

    def places(self, packages: Visible) -> Places:
        """Return where the candidate finds things when it sees the host's file system."""
        return Places(self.program, self._scratch, packages.farm())

    def close(self) -> None:
        """Remove everything. What cannot be removed is left to the sweep of a later process."""
        with suppress(OSError):
            clear(self._top)


def _folder(path: Path) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(0o755)

"""The folder of one jail on the host: the candidate's sources, and its scratch space where that is no memory file system."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from evolve.jail import clearing
from evolve.jail.home import clear, home
from evolve.jail.launch import Places
from evolve.jail.packages import Visible


class Folders:
    """Made when constructed, filled anew for each candidate, removed by `close`.

    Args:
        uid: whom the scratch folder is for, or None for ourselves.
        outside: whether the jail sees a file system of its own, so that only bubblewrap reads what is here.
    """

    def __init__(self, uid: int | None, *, outside: bool) -> None:
        self._uid, self._outside = uid, outside
        self._top = Path(tempfile.mkdtemp(prefix="jail-", dir=home()))
        self.program = self._top / "program"
        self._scratch = self._top / "scratch"
        self._filled: Mapping[str, str | bytes | None] = {}
        _folder(self.program)

    def fill(self, files: Mapping[str, str | bytes]) -> None:
        """Replace the sources by ``files``, relative path -> content, and give the candidate a fresh scratch folder.

        Raises:
            ValueError: if a path leads outside.
        """
        for path in files:
            if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                raise ValueError(f"the path {path!r} leads outside the program's folder")
        changed = {path: content for path, content in files.items() if self._filled.get(path) != content}
        if self._filled.keys() - files.keys():  # what goes may be a folder where a file comes
            clearing.empty(os.fspath(self.program))
            changed = dict(files)
        self._filled = dict.fromkeys(files)  # some of them may be there if this fails
        self._write(changed)
        self._filled = dict(files)
        if not self._outside:
            if self._scratch.exists():
                clear(self._scratch)
            self._scratch.mkdir(0o700)
            if self._uid is not None:
                os.chown(self._scratch, self._uid, self._uid)
                os.chown(self._top, -1, self._uid)
                self._top.chmod(0o710)

    def _write(self, files: Mapping[str, str | bytes]) -> None:
        for path, content in files.items():
            place = self.program / path
            for parent in reversed(PurePosixPath(path).parents[:-1]):
                _folder(self.program / parent)
            place.write_bytes(content.encode() if isinstance(content, str) else content)
            place.chmod(0o644)

    def places(self, packages: Visible) -> Places:
        """Return where a candidate finds things."""
        if self._outside:
            return Places.inside(packages.sites)
        return Places(self.program, self._scratch, packages.farm())

    def close(self) -> None:
        """Remove everything. What cannot be removed is left to the sweep of a later process."""
        with suppress(OSError):
            clear(self._top)


def _folder(path: Path) -> None:
    path.mkdir(exist_ok=True)
    path.chmod(0o755)

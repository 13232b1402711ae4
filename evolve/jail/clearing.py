"""Removes what a candidate may have filled to spite us: deep nesting, closed modes, symbolic links, too many files.

Also sent into jails (see `evolve.jail.launch`), so it imports the standard library alone. No process that could interfere is
alive.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False  # what `typing` has; importing it would cost every jail 3 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class TooMany(Exception):  # noqa: N818 - it is a number
    """More entries than were to be removed."""


def empty(folder: str, most: int | None = None, kept: Iterable[str] = ()) -> None:
    """Remove everything in a folder but the folders that are ``kept``, and leave the folder.

    One folder is open at a time, and nothing grows with the nesting but a list.

    Raises:
        TooMany: after ``most`` entries.
        OSError: if something cannot be removed.
    """
    here = os.open(folder, FOLDER)
    try:
        names: list[str] = []
        count, inner = _files(here, most)
        pending = [[name for name in inner if name not in kept]]
        while names or pending[-1]:
            if pending[-1]:
                names.append(pending[-1].pop())
                if os.stat(names[-1], dir_fd=here).st_mode & 0o700 != 0o700:
                    os.chmod(names[-1], 0o700, dir_fd=here)
                here = _move(here, names[-1])
                removed, inner = _files(here, None if most is None else most - count)
                count += removed
                pending.append(inner)
            else:
                pending.pop()
                here = _move(here, "..")
                os.rmdir(names.pop(), dir_fd=here)
    finally:
        os.close(here)


def _move(here: int, name: str) -> int:
    """Open a folder beside ``here`` and close ``here``."""
    there = os.open(name, FOLDER, dir_fd=here)
    os.close(here)
    return there


def _files(here: int, most: int | None) -> tuple[int, list[str]]:
    """Remove what is not a folder from a folder; return how many entries it had, and the names of the folders in it."""
    count, folders = 0, []
    with os.scandir(here) as entries:
        for entry in entries:
            count += 1
            if most is not None and count > most:
                raise TooMany
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=here)
    return count, folders

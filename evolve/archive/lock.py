"""A lock on one run of one archive: one process at a time may drive it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evolve.errors import ArchiveError
from evolve.machine import HELD


@contextmanager
def locked(path: Path, what: str) -> Iterator[None]:
    """Hold the lock file ``path``, which says who holds it; the system frees it when this process ends.

    Args:
        path: the file; made here and removed again. One that is left over from a killed process is taken over.
        what: what is locked, for the error.

    Raises:
        ArchiveError: if another process, or another part of this one, holds it.
    """
    descriptor = _acquire(path, what)
    HELD.add(descriptor)
    owner = os.getpid()
    try:
        with suppress(OSError):  # as on a full disk: it is locked all the same, and the archive will say what is wrong
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{owner}\n".encode())
        yield
    finally:
        if os.getpid() == owner:  # a forked child that unwinds through here holds nothing
            HELD.discard(descriptor)
            path.unlink(missing_ok=True)
            os.close(descriptor)


def _acquire(path: Path, what: str) -> int:
    """Return a descriptor that holds the lock on the file that is at ``path`` now."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ArchiveError(f"cannot lock {what}: {path}: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ArchiveError(
                f"{what} is being run by another process (pid {holder}); wait for it, or end it first"
            ) from error
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last holder removed it between our open and our lock


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether ``path`` still names the open file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)

"""A lock on one run of one archive: one process at a time may drive it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from evolve.errors import ArchiveError
from evolve.machine import HELD

TRIES = 25
"""Tries, 20 ms apart, before a lock counts as held."""


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


def left_over(path: Path) -> bool:
    """Return whether a lock file is there that nobody holds: the process that made it was killed, or its machine went down.

    False where that cannot be known, as of a copied archive, whose locks were not copied.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        return _is_at(descriptor, path)
    finally:
        os.close(descriptor)


def _acquire(path: Path, what: str) -> int:
    """Return a descriptor that holds the lock on the file that is at ``path`` now."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ArchiveError(f"cannot lock {what}: {path}: {error.strerror}") from error
        try:
            _lock(descriptor)
        except BlockingIOError as error:
            holder = os.read(descriptor, 32).decode("ascii", "replace").strip() or "unknown"
            os.close(descriptor)
            raise ArchiveError(
                f"{what} is being run by another process (pid {holder}); wait for it, or end it first"
            ) from error
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)  # its last holder removed it between our open and our lock


def _lock(descriptor: int) -> None:
    """Lock a file, if need be after some tries: who looks whether it is `left_over` holds it for a moment too.

    Raises:
        BlockingIOError: if somebody holds it all the time.
    """
    for left in range(TRIES, 0, -1):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if left == 1:
                raise
            time.sleep(0.02)
        else:
            return


def _is_at(descriptor: int, path: Path) -> bool:
    """Return whether ``path`` still names the open file."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    return os.path.samestat(os.fstat(descriptor), there)

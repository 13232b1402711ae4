"""Folders of this process's jails, and the user ids that they run under; what dead owners left is swept.

Every process that opens jails has one home folder, on which it holds a lock for as long as it lives. The kernel drops the lock
when the process dies, however it dies, so a home that can be locked has no owner. A process id would not say so: several
containers may share the folder.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from evolve.jail import clearing

PREFIX = "evolve-jail-"
_UNLOCKED = "evolve-unlocked-"
GRACE = 60.0
"""Seconds after which something whose owner has not got to locking it is taken for ownerless."""

UIDS = range(60600, 61184)
"""User ids that no distribution hands out: systemd's table (UIDS-GIDS.md) lists 60578 to 61183 as unused."""


@cache
def _home(pid: int) -> Path:
    """Return the home of process ``pid``, which is the caller, after sweeping the homes of the dead."""
    root = Path(tempfile.gettempdir())
    _sweep(root)
    unlocked = Path(tempfile.mkdtemp(prefix=_UNLOCKED, dir=root))
    unlocked.chmod(0o711 if os.geteuid() == 0 else 0o700)
    # Held until the process ends: the descriptor is closed by exec, so nothing it starts keeps the lock.
    fcntl.flock(os.open(unlocked, os.O_RDONLY | os.O_CLOEXEC), fcntl.LOCK_EX)
    found = unlocked.rename(root / unlocked.name.replace(_UNLOCKED, PREFIX, 1))
    atexit.register(_leave, found, pid)
    return found


def _leave(home: Path, pid: int) -> None:
    if os.getpid() == pid:
        clear(home)


def home() -> Path:
    """Return this process's folder for jails, made at its first use."""
    return _home(os.getpid())


def _sweep(root: Path) -> None:
    for path in [*root.glob(PREFIX + "*"), *root.glob(_UNLOCKED + "*")]:
        with suppress(OSError):
            info = path.lstat()
            young = path.name.startswith(_UNLOCKED) and time.time() - info.st_mtime < GRACE
            if info.st_uid == os.geteuid() and stat.S_ISDIR(info.st_mode) and not young:
                with unowned(path):
                    clear(path)


@contextmanager
def unowned(path: Path) -> Iterator[None]:
    """Hold the lock of a folder whose owner is dead.

    Raises:
        BlockingIOError: if the owner lives.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def clear(folder: Path) -> None:
    """Remove a folder with all that a candidate may have put into it. No process that could interfere is alive."""
    with suppress(FileNotFoundError):
        folder.chmod(0o700)
        clearing.empty(os.fspath(folder))
        folder.rmdir()


class Uid:
    """A user id that no other jail on this machine has at the same time: the lock on its file says so. Root only."""

    def __init__(self, slot: int) -> None:
        folder = (
            Path("/run/evolve-jail") if os.access("/run", os.W_OK) else Path(tempfile.gettempdir()) / "evolve-jail-uids"
        )
        folder.mkdir(mode=0o700, exist_ok=True)
        if folder.lstat().st_uid != 0 or not stat.S_ISDIR(folder.lstat().st_mode):
            raise PermissionError(f"{folder} is not root's; remove it")
        for turn in range(len(UIDS)):
            self.number = UIDS[(slot + turn) % len(UIDS)]
            self._descriptor = os.open(folder / str(self.number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(self._descriptor)
            else:
                return
        raise BlockingIOError(f"all {len(UIDS)} user ids for jails are in use on this machine")

    def release(self) -> None:
        """Let another jail have it."""
        os.close(self._descriptor)

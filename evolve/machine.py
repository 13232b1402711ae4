"""What all runs of a user on this machine share: locks on its GPUs, its processors, and the right to be the only one judging.

A lock is a file in a folder of the user's, held by `flock` in the driver's own process: the system frees it when the driver ends,
however it ends. Runs of other users, and runs with another folder for temporary files, are not seen. The files stay: removing
one would let two processes hold the lock of the same name.
"""

from __future__ import annotations

import fcntl
import os
import stat
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from evolve.errors import ConfigError

if TYPE_CHECKING:
    from evolve.gpu.probe import GpuProbe

YIELD = 0.2
"""Seconds for which a lock that others wait for is left to them by the run that has just returned it."""

HELD: set[int] = set()
"""Descriptors of all locks that this process holds, those of archives too."""


def _drop_in_child() -> None:
    """Close the locks in a forked child, which would hold them on where it outlives its parent."""
    for descriptor in HELD:
        os.close(descriptor)
    HELD.clear()


os.register_at_fork(after_in_child=_drop_in_child)


@dataclass(frozen=True, slots=True)
class Machine:
    """Where an executor looks for what its slots share with other runs; tests look elsewhere.

    Attributes:
        probe: what tells about the GPUs; None detects it where a task needs one.
        locks: the folder of the locks; None is the user's own.
        devices: where device nodes are.
    """

    probe: GpuProbe | None = None
    locks: Path | None = None
    devices: Path = Path("/dev")


def folder() -> Path:
    """Return the folder of the user's locks, made at its first use.

    Raises:
        ConfigError: if somebody else owns it or can write to it.
    """
    path = Path(tempfile.gettempdir()) / f"evolve-locks-{os.geteuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    info = path.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o077:
        raise ConfigError(
            f"{path} is not a folder that this user alone can use, so it cannot hold locks: remove it, or set TMPDIR"
        )
    return path


class Lock:
    """One thing that one run at a time may have. Never waits for it: `take` is to be called again.

    Its file says who has it, or why nobody shall; it is empty after a proper `release`. Several runs that want it take turns,
    because one that has returned it does not take it again at once where others wait.

    Args:
        path: of its file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = ""
        """What the file said when it was taken: not empty where the former holder was killed."""
        self._descriptor: int | None = None
        self._waits: int | None = None
        self._again = 0.0

    @property
    def held(self) -> bool:
        """Whether this object holds it."""
        return self._descriptor is not None

    def take(self) -> bool:
        """Return whether it is held now; if not, count as waiting until `take` succeeds or `rest`."""
        if self.held:
            return True
        if time.monotonic() < self._again and self._wanted():
            return False
        descriptor = _locked(self.path, fcntl.LOCK_EX)
        if descriptor is None:
            self._again = 0.0  # the others' turn has come
            self.want()
            return False
        self.rest()
        self._descriptor = descriptor
        self.left = self.text()
        return True

    def text(self) -> str:
        """Return what the file says."""
        try:
            return self.path.read_text(errors="replace").strip()
        except FileNotFoundError:
            return ""

    def sign(self, text: str) -> None:
        """Write into the file of a lock that is held."""
        assert self._descriptor is not None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{text}\n".encode(), 0)

    def release(self) -> None:
        """Return it, if it is held, with an empty file."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            self.drop()
            self.stand_back()

    def stand_back(self) -> None:
        """Leave it, for `YIELD` seconds from now, to others that wait for it."""
        self._again = time.monotonic() + YIELD

    def drop(self) -> None:
        """Let go of it as if it had not been taken: its file stays as it is."""
        if self._descriptor is not None:
            _close(self._descriptor)
            self._descriptor = None

    def want(self) -> None:
        """Count as waiting for it."""
        if self._waits is None:
            self._waits = _locked(self._waiting, fcntl.LOCK_SH)

    def rest(self) -> None:
        """Wait for it no longer."""
        if self._waits is not None:
            _close(self._waits)
            self._waits = None

    @property
    def _waiting(self) -> Path:
        return self.path.with_suffix(".waiting")

    def _wanted(self) -> bool:
        """Return whether another run waits for it."""
        descriptor = _locked(self._waiting, fcntl.LOCK_EX)
        if descriptor is not None:
            _close(descriptor)
        return descriptor is None


def _locked(path: Path, kind: int) -> int | None:
    """Return a descriptor that holds a lock on ``path``, or None where others hold one that forbids it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    HELD.add(descriptor)
    return descriptor


def _close(descriptor: int) -> None:
    if descriptor in HELD:  # else this is a fork of the holder, where it is closed already
        HELD.discard(descriptor)
        os.close(descriptor)

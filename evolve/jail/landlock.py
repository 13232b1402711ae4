"""Landlock: which paths a process and its children may open, no TCP, and no signals to processes outside.

Needs no privileges and works in an ordinary container. What the kernel offers is told by its ABI number: paths from 1 (Linux
5.13), moving files from 2, truncation from 3, TCP from 4, devices from 5, signals and abstract sockets from 6 (Linux 6.12).
What an ABI leaves open `evolve.jail.seccomp` closes. The names and numbers are of linux/landlock.h.

On the host's file system /dev/shm stays shut, because all users of the machine share it: what needs named semaphores there, such
as the locks and pools of `multiprocessing`, works in namespaces only.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from evolve.jail import bubblewrap
from evolve.jail.view import View

_CREATE_RULESET, _VERSION = 444, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE = 1 << 4 | 1 << 5
_MAKE = 1 << 7 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12
"""Folders, files, sockets, pipes and links, but no devices."""
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15

_READ = _EXECUTE | _READ_FILE | _READ_DIR
_WRITE = _READ | _WRITE_FILE | _REMOVE | _MAKE | _REFER | _TRUNCATE
_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
"""The rights that a rule on something other than a folder may name."""

_DEVICES = ("/dev/null", "/dev/full", "/dev/random", "/dev/urandom")
"""Not /dev/zero, a shared mapping of which is memory that no process shows."""
_PROC = ("/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/self", "/proc/sys/vm/overcommit_memory")
"""What libraries ask about the machine and themselves. No other process's folder is among them."""


@cache
def abi() -> int:
    """Return the kernel's Landlock ABI, 0 where there is none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None).syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)))


def ruleset(paths: Iterable[tuple[str, int]], version: int) -> dict[str, Any]:
    """Return a ruleset in the form that `evolve.jail.confine` applies: what is not among ``paths`` is denied."""
    bits = (0, 13, 14, 15, 15, 16)[min(version, 5)]
    handled = (1 << bits) - 1
    return {
        "size": 8 if version < 4 else 16 if version < 6 else 24,
        "handled": {"fs": handled, "net": 0b11 if version >= 4 else 0, "scope": 0b11 if version >= 6 else 0},
        "paths": [(path, access & handled) for path, access in paths],
    }


def within(devices: Iterable[str], version: int) -> dict[str, Any]:
    """Return the rules for a jail with a file system of its own: all of it may be read, and its memory file systems and leased
    ``devices`` written.
    """
    writable = [(path, _WRITE) for path in (bubblewrap.SCRATCH, bubblewrap.SHARED_MEMORY)]
    return ruleset([("/", _READ), *writable, *((path, _FILE) for path in (*_DEVICES, *devices))], version)


def on_host(
    view: View,
    program: Path,
    scratch: Path,
    sites: Iterable[Path],
    packages: Iterable[Path],
    devices: Iterable[str],
    version: int,
) -> dict[str, Any]:
    """Return the rules for a jail that sees the host's file system.

    Args:
        view: what every jail sees.
        program: the folder with the candidate's sources.
        scratch: the one folder that may be written.
        sites: folders for ``sys.path``.
        packages: the installed files and folders that these link to.
        devices: nodes of leased devices.
        version: the ABI to write the rules for.
    """
    rules = list(_shown(view))
    # Which Python reads where it finds one.
    rules.append((str(view.interpreter.parents[1] / "pyvenv.cfg"), _READ & _FILE))
    rules += [(str(path), _access(path)) for path in (program, *sites, *packages)]
    rules += [(path, _access(Path(path))) for path in _PROC]
    rules += [(path, _FILE) for path in (*_DEVICES, *devices)]
    return ruleset([*rules, (str(scratch), _WRITE)], version)


def _access(path: Path) -> int:
    return _READ if path.is_dir() else _READ & _FILE


@cache
def _shown(view: View) -> tuple[tuple[str, int], ...]:
    return tuple(rule for path in view.shown for rule in _around(path, view.holes))


def _around(path: Path, holes: Iterable[Path]) -> Iterator[tuple[str, int]]:
    """Yield rules that open ``path`` without ``holes``. A rule cannot be taken back further down: siblings are opened one by one.

    Names, though not contents, can be listed in the holes as well: the interpreter lists the folder above them.
    """
    below = [hole for hole in holes if hole.is_relative_to(path)]
    if path in below:
        return
    if not below:
        yield str(path), _access(path)
        return
    yield str(path), _READ_DIR
    for child in sorted(path.iterdir()):
        if not child.is_symlink():
            yield from _around(child, below)

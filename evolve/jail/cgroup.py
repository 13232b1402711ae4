"""A control group per jail where this process may make one: the kernel then holds the tree to its memory and task limits.

Groups are made below the group that this process is in, never beside it, so that whatever bounds this process bounds its jails.
Version 1 (memory and pids) and version 2 are both read; version 2 serves only where the memory controller is delegated.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evolve.jail.home import PREFIX
from evolve.records import Limits

_BUSY = 0.5
"""Seconds for which a group may refuse to go after its last process is dead."""


@dataclass(frozen=True, slots=True)
class Parent:
    """A group below which groups can be made, and whether it is of version 2."""

    path: Path
    unified: bool


def _parents() -> dict[str, Parent]:
    """Return this process's groups by controller, as far as the control group file systems are mounted here."""
    own: dict[str, str] = {}
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        own |= dict.fromkeys(controllers.split(","), path)
    found: dict[str, Parent] = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        root, mount = before.split()[3:5]
        kind, _, options = after.split()[:3]
        for name in ("memory", "pids"):
            unified = kind == "cgroup2"
            if unified or (kind == "cgroup" and name in options.split(",")):
                group = own.get("" if unified else name)
                if group is not None and group.startswith(root):
                    place = Path(mount) / group.removeprefix(root).lstrip("/")
                    if not unified or name in _words(place / "cgroup.subtree_control"):
                        found.setdefault(name, Parent(place, unified))
    return found


def _words(path: Path) -> list[str]:
    try:
        return path.read_text().split()
    except OSError:
        return []


@cache
def available() -> Mapping[str, Parent]:
    """Return the controllers (``memory``, ``pids``) under which this process can make groups; dead owners' groups are swept."""
    if not os.path.exists("/proc/self/cgroup"):
        return {}
    found = {name: parent for name, parent in _parents().items() if os.access(parent.path, os.W_OK)}
    for path in {parent.path for parent in found.values()}:
        _sweep(path)
    usable: dict[str, Parent] = {}
    for name, parent in found.items():
        with suppress(OSError):
            trial = Group(Limits(), {name: parent})
            trial.close()
            usable[name] = parent
    return usable


def _sweep(parent: Path) -> None:
    for path in parent.glob(PREFIX + "*"):
        with suppress(OSError):
            if not _alive(path.name):
                path.rmdir()


def _alive(name: str) -> bool:
    """Return whether the process that a group's name tells of still runs; a group lies in the PID namespace of its owner."""
    match = re.fullmatch(rf"{PREFIX}(\d+)-(\d+)-\d+", name)
    return match is None or _started(int(match[1])) == match[2]


def _started(pid: int) -> str:
    """Return when a process started, in ticks since boot, or nothing if it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return ""


_serial = iter(range(1 << 62))


class Group:
    """The control groups of one jail.

    Args:
        limits: ``memory`` and ``processes`` are set.
        parents: what `available` returned.

    Raises:
        OSError: if a group cannot be made or a limit not be set.
    """

    def __init__(self, limits: Limits, parents: Mapping[str, Parent]) -> None:
        name = f"{PREFIX}{os.getpid()}-{_started(os.getpid())}-{next(_serial)}"
        self._paths: dict[str, Path] = {}
        try:
            for controller, parent in parents.items():
                path = parent.path / name
                path.mkdir(exist_ok=True)
                self._paths[controller] = path
                for file, value in _settings(controller, parent.unified, limits):
                    if (path / file).exists() or not file.startswith("memory.memsw"):
                        (path / file).write_text(str(value))
        except OSError:
            self.close()
            raise
        memory = parents.get("memory")
        self._events = (
            None
            if memory is None
            else memory.path / name / ("memory.events" if memory.unified else "memory.oom_control")
        )
        self._before = self._kills()

    def add(self, pid: int) -> None:
        """Move a process in; what it starts from now on is in as well."""
        for path in set(self._paths.values()):
            (path / "cgroup.procs").write_text(str(pid))

    def mark(self) -> None:
        """Forget earlier kills: the next candidate begins."""
        self._before = self._kills()

    def out_of_memory(self) -> bool:
        """Return whether the kernel killed a process of the group since the mark because the group's memory ran out."""
        return self._kills() > self._before

    def _kills(self) -> int:
        if self._events is None:
            return 0
        words = _words(self._events)
        return int(words[words.index("oom_kill") + 1]) if "oom_kill" in words else 0

    def close(self) -> None:
        """Remove the groups, and kill what a zygote that was killed itself left in them."""
        deadline = time.monotonic() + _BUSY
        for path in set(self._paths.values()):
            while True:
                try:
                    path.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        break  # left to the sweep of a later process
                    for pid in _words(path / "cgroup.procs"):
                        with suppress(ProcessLookupError):
                            os.kill(int(pid), signal.SIGKILL)
                    time.sleep(0.002)
                else:
                    break


def _settings(controller: str, unified: bool, limits: Limits) -> Iterable[tuple[str, int]]:
    """Return (file, value) to write. A little room is left for the zygote, so that it is not what has to die."""
    if controller == "pids":
        return [("pids.max", limits.processes + 8)]
    memory = limits.memory + (16 << 20)
    if unified:
        return [("memory.max", memory), ("memory.swap.max", 0)]
    return [("memory.limit_in_bytes", memory), ("memory.memsw.limit_in_bytes", memory)]

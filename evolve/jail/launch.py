"""Builds what starts a jail: the command, its environment, and the plan that the keeper is sent.

The keeper and the runner travel as bytecode over a pipe. That saves compiling them in every jail, and nothing of this package
has to be readable in there.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from evolve.jail import bubblewrap, seccomp
from evolve.jail import landlock as landlock_rules
from evolve.jail.view import View, environment
from evolve.records import Level, Limits

BOOT = """\
import marshal, os, sys
plan = marshal.load(open(int(sys.argv[1]), "rb", closefd=False))
for name, code in plan["modules"].items():
    module = sys.modules[name] = type(sys)(name)
    exec(code, module.__dict__)
sys.modules["evolve.jail.inside"].main(plan, int(sys.argv[1]), int(sys.argv[2]))
for name in plan["modules"]:
    del sys.modules[name]
sys.argv[:] = plan["argv"]
main = sys.modules["__main__"] = type(sys)("__main__")
main.__file__ = sys.argv[0]
main.__builtins__ = __builtins__
exec(plan["runner"], main.__dict__)
"""
"""The keeper's first lines. ``main`` returns only in the runner's process, which forgets the keeper before the runner starts."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are for the candidate: its sources, its scratch folder, the folders with packages."""

    program: Path
    scratch: Path
    sites: tuple[Path, ...]

    @classmethod
    def inside(cls, sites: tuple[Path, ...]) -> Places:
        """Return the places in a jail with a file system of its own, where packages keep their paths."""
        return cls(Path(bubblewrap.PROGRAM), Path(bubblewrap.SCRATCH), sites)


@cache
def _modules() -> Mapping[str, CodeType]:
    """Return the keeper's code, in the order in which its modules import each other."""
    names = ("evolve.jail.confine", "evolve.jail.measure", "evolve.jail.inside")
    parent = {"evolve.jail": compile("", "evolve.jail", "exec")}
    return parent | {name: _code(name) for name in names}


def _code(name: str) -> CodeType:
    spec = importlib.util.find_spec(name)
    loader = spec.loader if spec else None
    code = loader.get_code(name) if loader and hasattr(loader, "get_code") else None
    if not isinstance(code, CodeType):
        raise ImportError(f"the code of {name} cannot be found")
    return code


@cache
def _runner(path: Path, changed: int) -> CodeType:
    """Return the runner's bytecode; ``changed`` is the file's time stamp, so that an edit is seen."""
    return compile(path.read_bytes(), str(path.name), "exec")


def command(view: View, control: int, status: int) -> list[str]:
    """Return the command of the keeper, outside any namespaces."""
    return [str(view.interpreter), "-I", "-S", "-c", BOOT, str(control), str(status)]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom the candidate runs as: ``uid`` to become, or None for the judge's own; ``keep_read``: it may read closed folders."""

    uid: int | None = None
    keep_read: bool = False


def plan(
    level: Level,
    limits: Limits,
    runner: Path,
    fds: tuple[int, int],
    places: Places,
    owner: Owner,
    landlock: Mapping[str, Any] | None,
) -> bytes:
    """Return the keeper's plan, encoded.

    Args:
        level: how to confine.
        limits: what the candidate may use.
        runner: the Python file to run.
        fds: descriptors for requests and replies.
        places: where things are for the candidate.
        owner: whom it runs as.
        landlock: the paths that may be opened, or None where Landlock is not in force.
    """
    namespaces = level == "namespaces"
    argv = [runner.name, *map(str, fds), str(places.program), str(places.scratch), *map(str, places.sites)]
    return marshal.dumps(
        {
            "modules": dict(_modules()),
            "runner": _runner(runner, runner.stat().st_mtime_ns),
            "argv": argv,
            "fds": fds,
            "level": level,
            "linux": sys.platform == "linux",
            "pid_namespace": namespaces,
            "scratch_folder": str(places.scratch),
            "folder": None if namespaces else str(places.scratch),
            "tmpfs": [bubblewrap.SCRATCH, bubblewrap.SHARED_MEMORY] if namespaces else [],
            "memory": limits.memory,
            "processes": limits.processes,
            "scratch": limits.scratch,
            "uid": owner.uid,
            "gid": owner.uid,
            "keep_read": owner.keep_read,
            "rlimits": _rlimits(level, limits, owner.uid),
            "landlock": landlock,
            "seccomp": _seccomp(level, owner),
        }
    )


def _rlimits(level: Level, limits: Limits, uid: int | None) -> dict[str, int]:
    if level == "none":
        return {}
    cpu = max(1, round(limits.cpu_seconds))
    bounds = {
        "RLIMIT_CPU": cpu,
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_FSIZE": max(bubblewrap.sizes(limits).values()) if level == "namespaces" else limits.scratch,
        "RLIMIT_NOFILE": 256,
        "RLIMIT_CORE": 0,
        "RLIMIT_MEMLOCK": 0,
        "RLIMIT_MSGQUEUE": 0,
    }
    # The kernel counts all that a user runs. Where the user is not the jail's own, the watchdog counts, and this stops a flood.
    own = uid is not None or level == "namespaces"
    bounds["RLIMIT_NPROC"] = limits.processes if own else _tasks() + 4 * limits.processes
    return bounds


def _tasks() -> int:
    """Return how many processes and threads this user runs, as far as /proc tells."""
    count, user = 0, os.geteuid()
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        with suppress(OSError):
            if name.isdigit() and os.stat(f"/proc/{name}").st_uid == user:
                count += os.stat(f"/proc/{name}/task").st_nlink - 2
    return count or 4096


def _seccomp(level: Level, owner: Owner) -> bytes:
    if level in ("rlimits", "none") or seccomp.machine() is None:
        return b""
    return seccomp.program(level, landlock_rules.abi(), own_user=owner.uid is None)


def environ(view: View, scratch: Path) -> dict[str, str]:
    """Return the environment of a jail."""
    return environment(str(scratch), view.interpreter)


def send(control: int, encoded: bytes) -> None:
    """Write the plan to the keeper, which waits for it."""
    rest = memoryview(encoded)
    while len(rest):
        rest = rest[os.write(control, rest) :]

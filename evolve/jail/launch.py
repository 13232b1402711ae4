"""Builds what starts a jail: the command, its environment, and the plan that the zygote is sent.

The zygote and the runner travel as bytecode over a pipe. That saves compiling them in every jail, and nothing of this package
has to be readable in there.
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import CodeType
from typing import Any

from evolve.jail import bubblewrap, seccomp
from evolve.jail import landlock as landlock_rules
from evolve.jail.view import View, environment
from evolve.records import Level, Limits

BOOT = """\
import _socket, marshal, sys
link = _socket.socket(fileno=int(sys.argv[1]))
def take(size):
    data = b""
    while len(data) < size:
        part = link.recv(size - len(data))
        if not part:
            sys.exit(1)
        data += part
    return data
plan = marshal.loads(take(int.from_bytes(take(8), "little")))
for name, code in {**plan["modules"], **plan["beside"]}.items():
    module = sys.modules[name] = type(sys)(name)
    exec(code, module.__dict__)
main = type(sys)("runner")
main.__file__ = plan["name"]
exec(plan["runner"], main.__dict__)
sys.argv[:] = sys.modules["evolve.jail.inside"].main(plan, link, main)
for name in plan["modules"]:
    del sys.modules[name]
sys.modules["__main__"] = main
main.__name__ = "__main__"
main.main(sys.argv)
"""
"""The zygote's first lines. ``inside.main`` returns only in a candidate's process, which forgets the zygote before its runner
begins; the runner's file was executed before the first fork.
"""


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
    """Return the zygote's code, in the order in which its modules import each other."""
    names = ("evolve.jail.clearing", "evolve.jail.confine", "evolve.jail.measure", "evolve.jail.inside")
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
def _compiled(path: Path) -> CodeType:
    """Return a file's bytecode."""
    return compile(path.read_bytes(), str(path.name), "exec")


def command(view: View, link: int) -> list[str]:
    """Return the command of the zygote, outside any namespaces; ``link`` is the descriptor of its socket.

    The flags are those of ``-I`` but the one that would ignore the environment, which is ours and holds the seed of hashes.
    """
    return [str(view.interpreter), "-P", "-s", "-S", "-c", BOOT, str(link)]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom the candidate runs as: ``uid`` to become, or None for the judge's own; ``keep_read``: it may read closed folders."""

    uid: int | None = None
    keep_read: bool = False


@dataclass(frozen=True, slots=True)
class Inside:
    """What is in a jail besides its candidates: ``warm``, whether it is for more than one; ``preload``, modules that a warm one
    imports once; ``cpus`` to run on, all where none is named; ``devices``, the nodes of leased GPUs; ``variables`` of the
    environment.
    """

    warm: bool = False
    preload: tuple[str, ...] = ()
    cpus: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)


NOTHING = Inside()


def plan(
    level: Level,
    limits: Limits,
    runner: tuple[Path, ...],
    places: Places,
    owner: Owner,
    landlock: Mapping[str, Any] | None,
    inside: Inside,
) -> bytes:
    """Return the zygote's plan, encoded.

    Args:
        level: how to confine.
        limits: what a candidate may use.
        runner: the Python file to run, after modules that it finds by their names.
        places: where things are for the candidate.
        owner: whom it runs as.
        landlock: the paths that may be opened, or None where Landlock is not in force.
        inside: what is there besides.
    """
    namespaces = level == "namespaces"
    *beside, file = runner
    encoded = marshal.dumps(
        {
            "modules": dict(_modules()),
            "beside": {path.stem: _compiled(path) for path in beside},
            "runner": _compiled(file),
            "name": file.name,
            "argv": [str(places.program), str(places.scratch), *map(str, places.sites)],
            "sites": list(map(str, places.sites)),
            "warm": inside.warm,
            "preload": list(inside.preload),
            "cpus": list(inside.cpus),
            "level": level,
            "linux": sys.platform == "linux",
            "pid_namespace": namespaces,
            "scratch_folder": str(places.scratch),
            "folder": None if namespaces else str(places.scratch),
            "tmpfs": [bubblewrap.SCRATCH, bubblewrap.SHARED_MEMORY] if namespaces else [],
            "memory": limits.memory,
            "processes": limits.processes,
            "scratch": limits.scratch,
            "cpu_seconds": limits.cpu_seconds if level != "none" else float("inf"),
            "uid": owner.uid,
            "gid": owner.uid,
            "keep_read": owner.keep_read,
            "rlimits": _rlimits(level, limits, owner.uid, bool(inside.devices)),
            "landlock": landlock,
            "seccomp": _seccomp(level, owner),
        }
    )
    return len(encoded).to_bytes(8, "little") + encoded


def _rlimits(level: Level, limits: Limits, uid: int | None, devices: bool) -> dict[str, int]:
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
    if devices:  # a driver maps far more than it uses; the watchdog still sees what is used
        del bounds["RLIMIT_DATA"]
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


def environ(view: View, scratch: Path, inside: Inside) -> dict[str, str]:
    """Return the environment of a jail."""
    return environment(str(scratch), view.interpreter) | dict(inside.variables)

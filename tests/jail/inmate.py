"""Jails for the tests: Python is sent in, its result comes out."""

import ast
import os
import time
from contextlib import contextmanager
from pathlib import Path

from evolve.jail import Confinement, Jail, cgroup
from evolve.jail.levels import LEVELS, layers, missing
from evolve.records import Limits

RUNNER = Path(__file__).with_name("exec_runner.py")
SMALL = Limits(memory=128 << 20, processes=24, scratch=16 << 20, cpu_seconds=20, output=4096, reply=1 << 20)


def confinement(level):
    return Confinement(level, "", layers(level))


class Inmate:
    """A jail to which Python is sent."""

    def __init__(self, jail):
        self.jail = jail

    def run(self, source, seconds=10.0):
        """Execute ``source`` inside and return what it left in ``r``."""
        return ast.literal_eval(self.jail.exchange(source.encode(), time.monotonic() + seconds).decode())


@contextmanager
def opened(level, limits=SMALL, **options):
    jail = Jail(
        confinement(level), limits, files=options.pop("files", {"program.py": "x = 1\n"}), runner=RUNNER, **options
    )
    jail.start()
    try:
        yield Inmate(jail)
    finally:
        jail.close()


USABLE = [level for level in LEVELS if not missing(level)]
ISOLATED = [level for level in USABLE if level in ("namespaces", "landlock")]


def groups(pid=None):
    """Return the control groups of a process's jails, of this one's if none is named; others run theirs at the same time."""
    name = f"evolve-jail-{pid or os.getpid()}-*"
    return {path for parent in cgroup.available().values() for path in parent.path.glob(name)}


def holding(token):
    """Return the processes whose arguments hold ``token``."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if token.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                found.append(int(name))
        except OSError:
            continue
    return found

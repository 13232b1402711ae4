"""Thousands of evaluations, one in five of a hostile candidate, and then a look at what is left of them on the machine.

    python bench/soak.py [--evaluations 10000] [--slots 2] [--seed 0] [--level landlock]

One driver process judges honest candidates and those of ``tests/attacks/programs`` that need no arena around them (bombs of
processes, threads, memory and files, daemons, forged and broken replies, exits, endless loops, attempts on the zygote and on
whoever comes next), in an order that the seed decides. Every honest candidate must be judged right, no judge may fail, and no
attack may score more or say that it got anything. Once the executor is closed there must be no process, descriptor, mount, lock
(those of leases among them), file, shared memory or control group more than after a single honest evaluation by an executor of
its own, which leaves the empty files that later locks are taken on. The driver's memory, and that of its judges, is sampled after
each evaluation: its median over the last tenth may be at most 10 % above that over the first (of judges only from about
2,000 evaluations on).

Prints what became of the candidates and what was found; the exit code is 1 if anything was.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from evolve.executor import LocalExecutor
from evolve.jail import Confinement, cgroup, choose
from evolve.jail.home import UIDS
from evolve.jail.levels import layers
from evolve.records import Evaluation, Job, Level, Limits, Task
from evolve.task import load

ATTACKS = Path(__file__).parents[1] / "tests" / "attacks"
HONEST = "honest"
HOSTILE = (
    "answer_bomb", "answer_early", "answer_for_runner", "answer_half", "answer_huge", "answer_twice", "cpu_of_children",
    "daemon", "daemon_comet", "daemon_exec", "daemon_orphan", "deep_value", "descriptors", "disk", "disk_closed",
    "disk_deep", "disk_hidden", "endless_import", "endless_loop", "endless_output", "forge_exit", "forge_printing",
    "forge_sys_exit", "fork_bomb", "hooks", "kill_keeper", "lying_class", "lying_numbers", "memory_bytes",
    "memory_in_files", "memory_of_children", "memory_shared", "patch_modules", "patch_runner", "pickled_object",
    "poison", "segfault", "stop_itself", "thread_bomb",
)  # fmt: skip
SEGFAULT = "import ctypes\n\n\ndef solve(question):\n    return ctypes.string_at(0)\n"
TOML = 'brief = "Square a number."\npackages = ["numpy"]\npreload = ["numpy"]\n'
LIMITS = Limits(
    seconds=8.0,
    call_seconds=1.0,
    cpu_seconds=6.0,
    memory=128 << 20,
    processes=32,
    output=16 << 10,
    reply=4 << 20,
    scratch=16 << 20,
)
SCORE = 0.5
"""What a program scores that answers all that can be known: two of four questions."""
ONE_IN = 5
FLAT = 0.10
"""By what share memory may grow from the first tenth of the evaluations to the last."""
SEEN = 10 * ONE_IN * len(HOSTILE)
"""Evaluations whose first tenth holds every kind of hostile candidate: a judge loads what it needs for each at the first one, so
its memory says nothing in fewer.
"""
SETTLE = 3.0
"""Seconds that what was killed may take to be gone."""


@dataclass
class Tally:
    """What was seen while candidates were judged: statuses and seconds by program, memory in bytes after each, and findings."""

    statuses: dict[str, Counter[str]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    driver: list[int] = field(default_factory=list)
    judges: list[int] = field(default_factory=list)
    pids: set[int] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)

    def add(self, name: str, seen: Evaluation) -> None:
        """Count one evaluation and hold it against what may be."""
        self.statuses.setdefault(name, Counter())[seen.status] += 1
        self.seconds[name] = self.seconds.get(name, 0.0) + seen.seconds
        if name == HONEST and (seen.status, seen.score) != ("ok", SCORE):
            self.findings.append(f"an honest candidate was judged {seen.status}, {seen.score}: {seen.error[-300:]}")
        if seen.status == "judge_error":
            self.findings.append(f"{name}: the judge failed: {seen.error[-300:]}")
        if seen.score is not None and seen.score > SCORE:
            self.findings.append(f"{name} scored {seen.score}")
        self.findings += [f"{name}: {line}" for line in seen.output.splitlines() if line.startswith("GOT ")]

    def sample(self) -> None:
        """Take note of the memory of this process and its judges."""
        self.driver.append(_resident(os.getpid()))
        children = _children(os.getpid())
        self.pids.update(children)
        self.judges.append(max(map(_resident, children), default=0))


class Traces:
    """All that evaluations might leave on the machine, as sentences that can be compared before and after."""

    def __init__(self, folder: Path, token: str, key: int) -> None:
        self._folder, self._token, self._key = folder, token, key

    def seen(self, pids: set[int]) -> set[str]:
        """Return what is there now; ``pids`` are the processes whose locks and control groups count."""
        found = {f"process {pid}: {name}" for pid, name in _descendants(os.getpid())}
        with os.scandir("/proc/self/fd") as entries:
            names = [entry.name for entry in entries]
        for name in names:
            with suppress(FileNotFoundError):  # the folder's own
                found.add(f"descriptor {name}: {os.readlink(f'/proc/self/fd/{name}')}")
        found |= {f"mount {line}" for line in Path("/proc/self/mounts").read_text().splitlines()}
        for line in Path("/proc/locks").read_text().splitlines():
            _, *words = line.replace("->", "").split()  # kind, mode, access, process, ...; an arrow marks who waits
            if int(words[3]) in pids | {os.getpid()}:
                found.add("lock " + " ".join(words))
        found |= {f"file {path}" for path in self._folder.rglob("*")}
        for place in ("/dev/shm", "/dev/mqueue", "/tmp", "/var/tmp"):
            with suppress(FileNotFoundError), os.scandir(place) as entries:
                found |= {f"file {entry.path}" for entry in entries if self._ours(entry)}
        for kind in ("shm", "msg", "sem"):
            with suppress(FileNotFoundError):
                lines = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
                found |= {f"System V {kind}: {line}" for line in lines if line.split()[0] == str(self._key)}
        for parent in cgroup.available().values():
            for pid in pids | {os.getpid()}:
                found |= {f"control group {path}" for path in parent.path.glob(f"evolve-jail-{pid}-*")}
        return found

    def _ours(self, entry: os.DirEntry[str]) -> bool:
        with suppress(FileNotFoundError):
            return self._token in entry.name or entry.stat(follow_symlinks=False).st_uid in UIDS
        return False


def _resident(pid: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0


def _children(pid: int) -> list[int]:
    with suppress(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _descendants(pid: int) -> Iterator[tuple[int, str]]:
    """Yield the living processes below ``pid``."""
    for child in _children(pid):
        with suppress(OSError):
            name, _, rest = Path(f"/proc/{child}/stat").read_text().rpartition(")")
            if rest.split()[0] not in "ZX":
                yield child, name.partition("(")[2]
        yield from _descendants(child)


def programs(outside: Path, token: str, key: int) -> dict[str, dict[str, str]]:
    """Return the sources of every program by name, with what the attacks import."""
    targets = {
        "TOKEN": token,
        "KEY": key,
        "SECRET_PREFIX": "secret-",
        "TCP": 9,
        "UDP": 9,
        "VICTIM": os.getpid(),
        "DRIVER": os.getpid(),
        "OUTSIDE": str(outside),
        "TASK": str(outside),
        "HOME": str(outside),
        "EVOLVE": str(Path(__file__).parents[1] / "evolve"),
        "SITES": [path for path in sys.path if path.endswith("-packages")],
        "MEMORY": LIMITS.memory,
        "PROCESSES": LIMITS.processes,
        "SCRATCH": LIMITS.scratch,
    }
    beside = {name: (ATTACKS / name).read_text() for name in ("kit.py", "wirework.py")}
    beside["targets.py"] = "".join(f"{name} = {value!r}\n" for name, value in targets.items())
    texts = {
        name: (ATTACKS / "programs" / f"{name}.py").read_text() for name in (HONEST, *HOSTILE) if name != "segfault"
    }
    return {name: {"initial.py": text, **beside} for name, text in (texts | {"segfault": SEGFAULT}).items()}


def laid_out(folder: Path) -> Task:
    """Write the task, two of whose four answers nobody can know, and return it."""
    folder.mkdir()
    shutil.copy(ATTACKS / "task" / "evaluate.py", folder)
    hidden = [(2000 + number, 1 + secrets.randbits(60)) for number in range(2)]
    (folder / "answers.json").write_text(json.dumps([(3, 9), hidden[0], (12, 144), hidden[1]]))
    (folder / "task.toml").write_text(TOML)
    (folder / "initial.py").write_text("def solve(question):\n    return question * question\n")
    return replace(load(folder), limits=LIMITS)


def order(evaluations: int, seed: int) -> Iterator[str]:
    """Yield the names of what is judged: every hostile program equally often, each at a place that the seed decides."""
    rng = Random(seed)
    waiting: list[str] = []
    for start in range(0, evaluations, ONE_IN):
        turn = rng.randrange(ONE_IN)
        for number in range(min(ONE_IN, evaluations - start)):
            if number != turn:
                yield HONEST
                continue
            waiting = waiting or rng.sample(HOSTILE, len(HOSTILE))
            yield waiting.pop()


def judge_all(executor: LocalExecutor, sources: dict[str, dict[str, str]], names: Iterator[str], tally: Tally) -> None:
    """Judge the programs named, with as many at a time as keep every slot busy."""
    running: dict[Future[Evaluation], str] = {}
    more = True
    while more or running:
        while more and len(running) < 2 * executor.slots:
            name = next(names, "")
            more = bool(name)
            if more:
                running[executor.submit(Job(str(len(tally.driver)), sources[name], 0))] = name
        executor.pump(1.0)
        for future in [future for future in running if future.done()]:
            tally.add(running.pop(future), future.result())
            tally.sample()


def grown(samples: list[int]) -> tuple[float, float]:
    """Return the median MiB over the first tenth and over the last."""
    tenth = max(1, len(samples) // 10)
    return statistics.median(samples[:tenth]) / 2**20, statistics.median(samples[-tenth:]) / 2**20


def soak(folder: Path, evaluations: int, slots: int, seed: int, level: Level | None) -> Tally:
    """Judge, close, and look; the findings are in the tally."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans are seen as descendants
    confinement = Confinement(level, "asked for", layers(level)) if level else choose()
    if confinement.integrity != "isolated":
        sys.exit(f"at {confinement.level} attacks get through: {confinement.reason}")
    token, key = "soak" + secrets.token_hex(6), 0x40000000 | secrets.randbits(24)
    task = laid_out(folder / "task")
    traces = Traces(folder, token, key)
    sources = programs(folder / "task", token, key)
    for names in (iter([HONEST]), order(evaluations, seed)):
        before, tally = traces.seen(set()), Tally()
        executor = LocalExecutor(task, confinement, slots)
        try:
            judge_all(executor, sources, names, tally)
        finally:
            executor.close()
    end = time.monotonic() + SETTLE
    while (left := traces.seen(tally.pids) - before) and time.monotonic() < end:
        time.sleep(0.05)
    tally.findings += sorted(left)
    for name, samples in (("driver", tally.driver), ("judges", tally.judges)):
        first, last = grown(samples)
        if last > first * (1 + FLAT) and (name == "driver" or evaluations >= SEEN):
            tally.findings.append(f"memory of the {name} grew from {first:.1f} to {last:.1f} MiB")
    return tally


def main() -> int:
    """Print the table; return 1 if anything was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--evaluations", type=int, default=10_000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--level", choices=("namespaces", "landlock"), help="of the jails; the strongest that passes here if none"
    )
    given = parser.parse_args()
    if "SOAK_FOLDER" not in os.environ:  # all that is made for temporary use is to be in one place, from the start
        with tempfile.TemporaryDirectory(prefix="soak-") as name:
            Path(name).chmod(0o755)
            environment = {**os.environ, "SOAK_FOLDER": name, "TMPDIR": name}
            return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode
    begin = time.monotonic()
    tally = soak(Path(os.environ["SOAK_FOLDER"]), given.evaluations, given.slots, given.seed, given.level)
    took = time.monotonic() - begin
    print("| candidate | evaluations | judged | seconds each |\n|---|---|---|---|")
    for name in (HONEST, *HOSTILE):
        if statuses := tally.statuses.get(name):
            count = statuses.total()
            judged = ", ".join(f"{status} {number:,}" for status, number in statuses.most_common())
            print(f"| {name} | {count:,} | {judged} | {tally.seconds[name] / count:.3f} |")
    for name, samples in (("driver", tally.driver), ("judges", tally.judges)):
        first, last = grown(samples)
        print(
            f"\nmemory of the {name}: {first:.1f} MiB in the first tenth, {last:.1f} MiB in the last ({last / first - 1:+.1%})"
        )
    print(f"\n{len(tally.driver):,} evaluations in {took:.0f} s on {given.slots} slots, {len(tally.findings)} findings")
    for finding in tally.findings:
        print(f"- {finding}")
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())

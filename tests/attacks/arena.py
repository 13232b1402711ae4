"""Lets the attacks loose on one isolation level, as the user who runs this; prints what became of each as a line of JSON.

    python tests/attacks/arena.py namespaces                 every attack, in cold jails and then in warm ones
    python tests/attacks/arena.py landlock fork daemon disk  these, in a warm jail

Around the jails lies all that an attack could be after: hidden answers, a secret in the environment, files of a home folder,
listeners, a process to end. After each attack the arena looks at all of it from outside, and has an honest candidate judged. An
attack that leaves something for itself (``legacy_*``) is let loose twice first. In a warm jail the honest candidate is judged
twice: in the very jail that the attack left, if that was kept, and once more.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from evolve import resources
from evolve.executor import LocalExecutor
from evolve.jail import Confinement
from evolve.jail.levels import layers
from evolve.judge.jails import WARM
from evolve.records import Evaluation, Fresh, Job, Level, Limits, Metric, Task

HERE = Path(__file__).resolve().parent
PROGRAMS = HERE / "programs"
HONEST = "honest"
SCORE = 0.5
"""What a program scores that answers all that can be known."""
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
PREFIX = "secret-"
"""What every secret text begins with: an attack that looks for one knows it, but not what follows."""
PUBLIC = ("/tmp", "/var/tmp", "/dev/shm", "/dev/mqueue", "/run", "/etc", "/usr/lib", "/")
"""Folders of the machine in which attacks leave files; all of them bear the arena's token in their names."""
PATIENCE = 30.0
WAYS: tuple[Fresh, ...] = ("process", "fork")
LEGACY = "legacy_"
"""How the names of attacks begin that leave something for their next run."""


@dataclass
class Outcome:
    """What became of one attack: how it was judged, by kind what it achieved that should have been denied, how the honest
    candidate fared after it, where their processes came from, and whether the warm jail was kept.
    """

    attack: str
    status: str
    score: float | None
    error: str
    seconds: float
    breaches: list[tuple[str, str]] = field(default_factory=list)
    honest: str = ""
    fresh: str = ""
    kept: bool = False


class Arena:
    """Everything an attack may be after, in a folder of its own, and an executor with one slot. To be closed."""

    def __init__(self, folder: Path, level: Level, fresh: Fresh) -> None:
        self.folder = folder
        self.fresh = fresh
        self.token = "arena" + secrets.token_hex(6)
        self.key = 0x40000000 | secrets.randbits(24)
        self._stack = ExitStack()
        self.outside, self.home, task = folder / "outside", folder / "home", folder / "task"
        for place in (self.outside, self.home / ".ssh", task):
            place.mkdir(parents=True, exist_ok=True)
        self.secrets = {name: PREFIX + secrets.token_hex(12) for name in ("canary", "key")}
        self.secrets["environment"] = os.environ["ARENA_SECRET"]
        self._plant()
        for name in (".ssh/id_ed25519", ".netrc", ".env"):
            (self.home / name).write_text(self.secrets["key"])
        self._ask(task)
        self._listen()
        self.victim = subprocess.Popen(["sleep", "600"], stdin=subprocess.DEVNULL, start_new_session=True)
        self._stack.callback(self._end_victim)
        shutil.copy(HERE / "task" / "evaluate.py", task)
        chosen = replace(_task(task), preload=("numpy",) if fresh == "fork" else ())
        confinement = Confinement(level, "", layers(level))
        self.executor = LocalExecutor(chosen, confinement, 1, fresh=fresh, grace=PATIENCE - LIMITS.seconds)
        self._stack.callback(self.executor.close)
        self.helpers = {name: (HERE / name).read_text() for name in ("kit.py", "wirework.py")}
        self.helpers["targets.py"] = "".join(f"{name} = {value!r}\n" for name, value in self._targets(task).items())

    def _plant(self) -> None:
        """Lay out the file that attacks read, change and remove."""
        (self.outside / "canary.txt").write_text(self.secrets["canary"])
        (self.outside / "canary.txt").chmod(0o644)

    def _ask(self, task: Path) -> None:
        """Write the questions: of each second one nobody but the judge can know the answer."""
        hidden = [(2000 + number, 1 + secrets.randbits(60)) for number in range(2)]
        questions = [(3, 9), hidden[0], (12, 144), hidden[1]]
        (task / "answers.json").write_text(json.dumps(questions))
        (task / "answers.json").chmod(0o644)
        self.secrets |= {f"answer {question}": str(answer) for question, answer in hidden}

    def _listen(self) -> None:
        self.listeners: dict[str, socket.socket] = {}
        for kind, family, how, address in (
            ("tcp", socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
            ("udp", socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
            ("abstract_socket", socket.AF_UNIX, socket.SOCK_STREAM, "\0" + self.token),
            ("abstract_socket datagram", socket.AF_UNIX, socket.SOCK_DGRAM, f"\0{self.token}-datagram"),
            ("named_socket", socket.AF_UNIX, socket.SOCK_STREAM, str(self.outside / "stream")),
            ("named_socket datagram", socket.AF_UNIX, socket.SOCK_DGRAM, str(self.outside / "datagram")),
        ):
            listener = self._stack.enter_context(closing(socket.socket(family, how)))
            listener.bind(address)
            listener.setblocking(False)
            if how == socket.SOCK_STREAM:
                listener.listen(64)
            self.listeners[kind] = listener
        for name in ("stream", "datagram"):
            (self.outside / name).chmod(0o666)

    def _targets(self, task: Path) -> dict[str, Any]:
        return {
            "TOKEN": self.token,
            "KEY": self.key,
            "SECRET_PREFIX": PREFIX,
            "TCP": self.listeners["tcp"].getsockname()[1],
            "UDP": self.listeners["udp"].getsockname()[1],
            "VICTIM": self.victim.pid,
            "DRIVER": os.getpid(),
            "OUTSIDE": str(self.outside),
            "TASK": str(task),
            "HOME": str(self.home),
            "EVOLVE": str(resources.PACKAGE),
            "SITES": [path for path in sys.path if path.endswith("-packages")],
            "MEMORY": LIMITS.memory,
            "PROCESSES": LIMITS.processes,
            "SCRATCH": LIMITS.scratch,
        }

    def _end_victim(self) -> None:
        self.victim.kill()
        self.victim.wait()

    def judge(self, name: str) -> Evaluation:
        """Have a program judged."""
        sources = {"initial.py": (PROGRAMS / f"{name}.py").read_text(), **self.helpers}
        future = self.executor.submit(Job(name, sources, 0))
        end = time.monotonic() + 3 * PATIENCE
        while not future.done() and time.monotonic() < end:
            self.executor.pump(1.0)
        return future.result(0)

    def attack(self, name: str) -> Outcome:
        """Let one attack loose, look at what it did, and judge the honest candidate after it."""
        before, jail = self.state(), self.keepers()
        begin = time.monotonic()
        seen = self.judge(name)
        outcome = Outcome(name, seen.status, seen.score, seen.error, time.monotonic() - begin, fresh=seen.fresh or "")
        outcome.kept = bool(jail) and self.keepers() == jail
        if name.startswith(LEGACY):
            outcome.breaches += self.said(self.judge(name))
        outcome.breaches += self.said(seen)
        self.settle()
        outcome.breaches += [(kind, what) for kind, what in self.state() if (kind, what) not in before]
        outcome.breaches += self.heard()
        self.sweep()
        for _ in range(1 if self.fresh == "process" else 2):
            after = self.judge(HONEST)
            outcome.breaches += self.said(after)
            if (after.status, after.score, after.fresh) != ("ok", SCORE, self.fresh):
                outcome.honest += f"{after.status}, {after.score}, by {after.fresh}: {after.error}"
        return outcome

    def said(self, seen: Evaluation) -> list[tuple[str, str]]:
        """Return what an evaluation tells of breaches: a score too good, a secret, or the attack's own word."""
        found = [("forged", f"the score {seen.score}")] if seen.score is not None and seen.score > SCORE else []
        texts = json.dumps({**asdict(seen), "artifacts": str(seen.artifacts)})
        found += [("secret", name) for name, value in self.secrets.items() if value in texts]
        for line in seen.output.splitlines():
            if line.startswith("GOT "):
                kind, _, what = line.removeprefix("GOT ").partition(": ")
                found.append((kind, what))
        return found

    def heard(self) -> list[tuple[str, str]]:
        """Return which listeners were reached."""
        found = []
        for kind, listener in self.listeners.items():
            with suppress(BlockingIOError):
                while True:
                    if listener.type == socket.SOCK_STREAM:
                        listener.accept()[0].close()
                    else:
                        listener.recv(64)
                    found.append((kind.split()[0], "reached a listener"))
        return found

    def state(self) -> list[tuple[str, str]]:
        """Return everything outside that an attack might change, each under the kind of attack that would."""
        found = [("write_outside", f"{path}: {info}") for path, info in self._files()]
        found += [("daemon", f"{pid} {name}") for pid, name in self.strangers()]
        stat = Path(f"/proc/{self.victim.pid}/stat").read_text().rpartition(")")[2].split()
        found.append(("signal_outside", f"victim in state {stat[0].replace('R', 'S')}, nice {stat[16]}"))
        found.append(("signal_outside", f"driver nice {os.getpriority(os.PRIO_PROCESS, 0)}"))
        found.append(("signal_outside", f"victim limits {resource.prlimit(self.victim.pid, resource.RLIMIT_NOFILE)}"))
        found += [("traces", f"{name}: {line}") for name, line in self._leftovers()]
        mounts = Path("/proc/self/mounts").read_text().splitlines()
        found += [("remount", line) for line in mounts if str(self.folder) in line or self.token in line]
        return found

    def _files(self) -> Iterator[tuple[str, str]]:
        for base, folders, files in os.walk(self.folder):
            if Path(base).parent == self.folder / "tmp":  # a warm jail has a folder there as long as it lives
                folders[:] = [name for name in folders if self.fresh == "process" or not name.startswith("jail-")]
            for name in (*folders, *files):
                info = os.lstat(f"{base}/{name}")
                if name not in folders:
                    yield f"{base}/{name}", f"{info.st_mode:o} {info.st_uid} {info.st_size} {info.st_mtime_ns}"
                else:
                    yield f"{base}/{name}", f"{info.st_mode:o} {info.st_uid}"
        for folder in PUBLIC:
            with suppress(OSError):
                yield from ((f"{folder}/{name}", "") for name in os.listdir(folder) if self.token in name)

    def _leftovers(self) -> Iterator[tuple[str, str]]:
        for name in ("shm", "msg", "sem"):
            with suppress(OSError):
                for line in Path(f"/proc/sysvipc/{name}").read_text().splitlines():
                    if line.split()[0] == str(self.key):
                        yield name, line.split()[1]

    def settle(self) -> None:
        """Wait a little for processes that are dying."""
        end = time.monotonic() + 0.5
        while self.strangers() and time.monotonic() < end:
            time.sleep(0.01)

    def strangers(self) -> list[tuple[int, str]]:
        """Return the living descendants of this process, to which all orphans come home, but for the judge, the first processes
        of its warm jail, and the victim.
        """
        below = _children()
        known = {self.victim.pid, *self._keepers(below)}
        found, queue = [], [os.getpid()]
        while queue:
            here = below.get(queue.pop(), [])
            found += [(pid, name) for pid, name in here if pid not in known and not _is_judge(pid)]
            queue += [pid for pid, _ in here]
        return found

    def keepers(self) -> list[int]:
        """Return the processes of a warm jail in which no candidate is: the zygote, and bubblewrap where there is one."""
        return self._keepers(_children())

    def _keepers(self, below: dict[int, list[tuple[int, str]]]) -> list[int]:
        if self.fresh == "process":
            return []
        judges = [pid for pid, _ in below.get(os.getpid(), []) if pid != self.victim.pid and _is_judge(pid)]
        first = [child for judge in judges for child in below.get(judge, [])]
        inner = [child for pid, name in first if name == "bwrap" for child in below.get(pid, [])]
        return [pid for pid, _ in first + inner]

    def sweep(self) -> None:
        """Remove what an attack left behind, so that it is not laid at the next one's door."""
        for pid, _ in self.strangers():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        with suppress(OSError):
            self.victim.send_signal(signal.SIGCONT)
        for folder in PUBLIC:
            with suppress(OSError):
                for name in os.listdir(folder):
                    if self.token in name:
                        os.unlink(f"{folder}/{name}")
        if not (self.outside / "canary.txt").exists():
            self._plant()
        libc = ctypes.CDLL(None)
        for name, number in self._leftovers():
            if name == "shm":
                libc.shmctl(int(number), 0, None)
            elif name == "msg":
                libc.msgctl(int(number), 0, None)
            else:
                libc.semctl(int(number), 0, 0)

    def close(self) -> None:
        """End and remove everything."""
        self.sweep()
        self._stack.close()


def _children() -> dict[int, list[tuple[int, str]]]:
    """Return the (process, name) of all living processes by their parents."""
    found: dict[int, list[tuple[int, str]]] = {}
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with suppress(OSError):
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
            state, parent = rest.split()[:2]
            if state not in "ZX":
                found.setdefault(int(parent), []).append((pid, name.partition("(")[2].removesuffix(")")))
    return found


def _is_judge(pid: int) -> bool:
    with suppress(OSError):
        return b"evolve.judge" in Path(f"/proc/{pid}/cmdline").read_bytes()
    return True


def _task(folder: Path) -> Task:
    return Task(
        name="arena",
        brief="",
        root=folder,
        entry="initial.py",
        language="python",
        initial={},
        evaluator=folder / "evaluate.py",
        harness=None,
        score=Metric("score", "maximize"),
        metrics={},
        limits=LIMITS,
        packages=("numpy",),
        data=(),
        baselines=(),
        search={},
        allow_nonfinite=False,
        digest="0" * 64,
    )


def attacks() -> list[str]:
    """Return the names of all attacks."""
    return sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != HONEST)


def main(folder: Path, level: Level, fresh: Fresh, names: list[str]) -> None:
    """Run in an environment that was prepared for it, see `start`."""
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER: orphans of orphans are seen as descendants
    tempfile.tempdir = str(folder / "tmp")
    arena = Arena(folder, level, fresh)
    try:
        first = arena.judge(HONEST)
        assert (first.status, first.score, first.fresh) == ("ok", SCORE, fresh), first
        for name in names or attacks():
            print(json.dumps(asdict(arena.attack(name))), flush=True)
    finally:
        arena.close()


def start(arguments: list[str]) -> int:
    """Run `main` in a process whose environment holds the secret from the start, and a home and a folder for temporary files."""
    with tempfile.TemporaryDirectory(prefix="arena-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "tmp").mkdir(mode=0o755)
        changes = {"ARENA_FOLDER": name, "ARENA_SECRET": PREFIX + secrets.token_hex(12), "HOME": f"{name}/home"}
        environment = {**os.environ, **changes, "TMPDIR": f"{name}/tmp"}
        return subprocess.run([sys.executable, "-P", __file__, *arguments], env=environment, check=False).returncode


if __name__ == "__main__":
    level, *rest = sys.argv[1:]
    if "ARENA_FOLDER" in os.environ:
        main(Path(os.environ["ARENA_FOLDER"]), level, rest[0], rest[1:])  # type: ignore[arg-type]
    else:
        chosen = rest[:1] if rest and rest[0] in WAYS else WAYS if level in WARM else WAYS[:1]
        sys.exit(max(start([level, way, *rest[rest[:1] == list(chosen) :]]) for way in chosen))

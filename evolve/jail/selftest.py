"""Attempts the attacks that a level is to deny, in real jails, and tells which of them got through."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from types import MappingProxyType

from evolve.errors import IsolationError
from evolve.jail.channel import JailEnded
from evolve.jail.home import home
from evolve.jail.jail import Jail, cold
from evolve.jail.launch import Inside
from evolve.jail.levels import Confinement, layers
from evolve.jail.zygote import Zygote
from evolve.records import Level, Limits

ATTACKS: Mapping[str, str] = MappingProxyType(
    {
        "tcp": "connect over TCP",
        "udp": "send over UDP",
        "abstract_socket": "reach a Unix socket without a path",
        "named_socket": "reach a Unix socket with a path",
        "datagram_socket": "send to a Unix socket from a pair of its own",
        "netlink": "open a netlink socket",
        "read_outside": "read files outside",
        "environment": "read another process's environment",
        "write_outside": "write or change files outside",
        "remount": "remount, or make namespaces",
        "trace_outside": "read another process's memory",
        "signal_outside": "signal or throttle processes outside",
        "descriptors": "use inherited descriptors",
        "processes": "start more processes than allowed",
        "memory": "use more memory than allowed",
        "shared_memory": "use more shared memory than allowed",
        "memory_of_children": "use more memory than allowed across children",
        "memory_in_files": "use more memory than allowed in files",
        "disk": "write more to disk than allowed",
        "privileges": "be root",
        "kernel": "open interfaces of the kernel that no program needs",
        "traces": "leave something behind in memory",
        "kill_parent": "kill or throttle the process that watches it",
        "daemon": "leave a process behind",
        "next_candidate": "reach whoever comes after it in a warm jail",
    }
)
"""Name -> what a candidate could do if it is open."""

_LIMITS = Limits(memory=96 << 20, processes=16, scratch=16 << 20, cpu_seconds=10)
_LASTING = frozenset(ATTACKS) & {
    *(
        "remount",
        "processes",
        "memory",
        "shared_memory",
        "memory_of_children",
        "memory_in_files",
        "disk",
        "kill_parent",
        "daemon",
    )
}
"""Attacks after which a jail is not as it was before."""

_PATIENCE = 5.0
_LONGEST = 70
"""Bytes of a path that leave room for a socket in a folder: a socket's own path may have 103 (macOS) or 107."""
_PROBE = Path(__file__).with_name("probe.py")


class Lab:
    """What the attacks are aimed at: a secret file, a process with a secret environment, and listeners. Closed by `close`."""

    def __init__(self, confinement: Confinement) -> None:
        self._confinement = confinement
        self._stack = ExitStack()
        self._jail: Jail | None = None
        self.token = "canary-" + secrets.token_hex(8)
        self.folder = Path(tempfile.mkdtemp(prefix="selftest-", dir=_short(home())))
        self._stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
        self.folder.chmod(0o755)
        self.victim = subprocess.Popen(
            ["sleep", "60"],
            env={"PATH": os.defpath, "CANARY": self.token},
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._stack.callback(self._end_victim)
        self.tcp = self._listener(socket.AF_INET, ("127.0.0.1", 0))
        self.udp = self._stack.enter_context(closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)))
        self.udp.bind(("127.0.0.1", 0))
        self.udp.setblocking(False)
        self._listener(socket.AF_UNIX, "\0" + self.token)
        self._listener(socket.AF_UNIX, str(self.folder / "socket"))
        datagrams = self._stack.enter_context(closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)))
        datagrams.bind(str(self.folder / "datagram"))
        for name in ("socket", "datagram"):
            (self.folder / name).chmod(0o666)
        (self.folder / "canary").write_text(self.token)
        (self.folder / "canary").chmod(0o644)

    def _listener(self, family: int, address: tuple[str, int] | str) -> socket.socket:
        listener = self._stack.enter_context(closing(socket.socket(family, socket.SOCK_STREAM)))
        listener.bind(address)
        listener.listen(8)
        return listener

    def _end_victim(self) -> None:
        self.victim.kill()
        self.victim.wait()

    def attempt(self, attack: str) -> str:
        """Return what ``attack`` achieved, or nothing. A jail that ends under it denied it."""
        if attack == "next_candidate":
            return self._inherited()
        if self._jail is None:
            self._jail = cold(self._confinement, _LIMITS, files={"program.py": ""}, runner=(_PROBE,))
            self._jail.start()
        try:
            achieved = self._ask(self._jail, attack)
        except JailEnded as ended:
            achieved = "it is dead" if attack == "kill_parent" else ""
            if ended.status in ("timeout", "protocol"):
                achieved = f"the attack went on until it was stopped: {ended.detail}"
        if attack in _LASTING:
            self.end_jail()
        return str(achieved) or self._seen(attack)

    def _ask(self, jail: Jail, attack: str) -> str:
        port = self.udp if attack == "udp" else self.tcp
        asked = {
            "attack": attack,
            "token": self.token,
            "folder": str(self.folder),
            "victim": self.victim.pid,
            "port": port.getsockname()[1],
            "limit": {"processes": _LIMITS.processes, "disk": _LIMITS.scratch}.get(attack, _LIMITS.memory),
        }
        return str(json.loads(jail.exchange(json.dumps(asked).encode(), time.monotonic() + _PATIENCE)))

    def _inherited(self) -> str:
        """Return what one candidate could leave to the next in a jail that was said to be clean after it."""
        if self._confinement.integrity != "isolated":  # no warm jails there
            return ""
        found = ""
        with closing(Zygote(self._confinement, _LIMITS, runner=(_PROBE,), inside=Inside(warm=True))) as zygote:
            zygote.start()
            for attack in ("leave", "inherit"):
                with closing(Jail(zygote, {"program.py": ""})) as jail:
                    jail.start()
                    with suppress(JailEnded):
                        found = self._ask(jail, attack)
                if not jail.clean:  # then nobody comes after it
                    break
        return found

    def _seen(self, attack: str) -> str:
        """Return what can be seen from outside of an attack that did not know whether it succeeded."""
        if attack == "udp":
            with suppress(BlockingIOError):
                return f"received {len(self.udp.recv(256))} bytes"
        if attack == "daemon":
            return f"process {pid} was left" if (pid := _running(self.token)) else ""
        if attack == "signal_outside" and self.victim.poll() is not None:
            return "the process is dead"
        return ""

    def end_jail(self) -> None:
        """Close the jail, if one is open."""
        if self._jail is not None:
            self._jail.close()
            self._jail = None

    def close(self) -> None:
        """End everything that was started and remove what was made."""
        self.end_jail()
        if pid := _running(self.token):
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, 9)
        for path in Path("/dev/shm").glob(self.token + "*"):
            path.unlink(missing_ok=True)
        self._stack.close()


def _short(folder: Path) -> Path:
    """Return ``folder``, or one with a shorter path where a Unix socket inside would have too long a one."""
    return folder if len(os.fsencode(folder)) <= _LONGEST else Path("/tmp")


def _running(token: str) -> int:
    """Return the process whose arguments hold ``token``, or 0."""
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        with suppress(OSError):
            if name.isdigit() and token.encode() in Path(f"/proc/{name}/cmdline").read_bytes():
                return int(name)
    return 0


@contextmanager
def lab(level: Level) -> Iterator[Lab]:
    """Set up the targets for attacks on ``level``."""
    found = Lab(Confinement(level, "", layers(level)))
    try:
        yield found
    finally:
        found.close()


@cache
def attack(level: Level) -> Mapping[str, str]:
    """Attempt every attack on ``level``; return what the open ones achieved, by name. Takes about half a second.

    Raises:
        IsolationError: if a jail of that level does not even start.
    """
    with lab(level) as targets:
        results = {name: targets.attempt(name) for name in ATTACKS}
    return MappingProxyType({name: achieved for name, achieved in results.items() if achieved})


def verdict(level: Level) -> str:
    """Return why ``level`` fails its self-test, or nothing. Of ``rlimits`` no more is asked than that a jail starts."""
    try:
        found = attack(level)
    except IsolationError as error:
        return str(error)
    if level == "rlimits":
        return ""
    return "; ".join(f"a candidate could {ATTACKS[name]} ({achieved})" for name, achieved in found.items())

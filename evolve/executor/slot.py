"""One slot of this machine, as its driver sees it: a judge process that lives as long as it behaves."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import evolve.judge
from evolve.executor.holding import Hold
from evolve.executor.line import Ticket
from evolve.jail import Confinement
from evolve.jail.view import THREADS
from evolve.judge import jails, process, score, wire
from evolve.records import Evaluation, Fresh, Status, Task
from evolve.secrets import without_secrets

IMPORT = 300.0
"""Seconds that importing evaluate.py, with the data and libraries it loads, may take."""
LEAVE = 1.0
"""Seconds that a judge is given to close its jail before it is killed."""
STUCK = 10.0
"""Seconds after which a judge that was killed is no longer waited for."""


class Slot:
    """Runs one judge process at a time and talks to it without ever waiting for it.

    The process is started by the calling thread, and dies with it: that must be the thread which made the executor.

    Args:
        task: what the judge judges.
        confinement: how it confines candidates.
        number: of this slot, from 0.
        patience: seconds for one seed or for the screen, all included; a judge that takes longer in all is killed.
        fresh: where candidates' processes come from.
        cpus: the processors that judge and candidate run on; none given means any.
    """

    def __init__(
        self,
        task: Task,
        confinement: Confinement,
        number: int,
        patience: float,
        *,
        fresh: Fresh = "fork",
        cpus: tuple[int, ...] = (),
    ) -> None:
        self.ticket: Ticket | None = None
        self.hold: Hold | None = None
        self.devices: tuple[str, ...] = ()
        self.deadline = float("inf")
        self._fresh = fresh
        self._cpus = cpus
        self._task = task
        self._confinement = confinement
        self._number = number
        self._patience = patience
        self._began = time.monotonic()
        self._out = bytearray()
        self._in = bytearray()
        self._log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - open until `close`
        self._flag = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
        fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)  # so that the judge can cut it and go on
        self._channel: socket.socket | None = None
        self._judge: subprocess.Popen[bytes] | None = None

    @property
    def alive(self) -> bool:
        """Whether a judge process has been started and not been ended."""
        return self._judge is not None

    @property
    def writing(self) -> bool:
        """Whether something waits to be written."""
        return bool(self._out)

    def fileno(self) -> int:
        """Return the judge's socket, to wait on."""
        return -1 if self._channel is None else self._channel.fileno()

    def start(self) -> None:
        """Start the judge process, and tell it its task once it listens.

        Raises:
            OSError: if it cannot be started.
        """
        self._log.truncate(0)
        self._flag.truncate(0)
        channel, theirs = socket.socketpair()
        fds = (theirs.fileno(), self._flag.fileno())
        with theirs, ExitStack() as failing:
            failing.callback(channel.close)
            self._judge = subprocess.Popen(
                [sys.executable, "-P", "-m", evolve.judge.__name__, *map(str, fds), str(os.getpid())],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                pass_fds=fds,
                env=environment(self._task.resources.cpus),
                start_new_session=True,
            )
            failing.pop_all()
        self._channel = channel
        self._channel.setblocking(False)
        if self._cpus:
            with suppress(ProcessLookupError):  # it may have died, which reading will tell
                os.sched_setaffinity(self._judge.pid, self._cpus)
        self._out.clear()
        self._in.clear()
        setup = {"task": process.plain_task(self._task), "confinement": self._confinement.to_json()}
        self._put(setup | {"slot": self._number, "fresh": self._fresh, "cpus": list(self._cpus)})
        self.deadline = time.monotonic() + IMPORT

    def give(self, ticket: Ticket, hold: Hold, held: Mapping[str, Any]) -> None:
        """Hand a job to the judge, which may still be starting, with ``held``, what it is to know of ``hold``."""
        ticket.tries += 1
        self.ticket, self.hold = ticket, hold
        self.devices = () if hold.lease is None else hold.lease.uuids
        self._began = time.monotonic()
        self._put({"job": asdict(ticket.job), **held})
        if self.deadline == float("inf"):
            self.deadline = self._due(ticket)

    def write(self) -> None:
        """Write what the socket takes."""
        assert self._channel is not None
        try:
            del self._out[: self._channel.send(self._out)]
        except BlockingIOError:
            return
        except OSError:  # the judge is gone, which reading will tell
            self._out.clear()

    def read(self) -> Evaluation | None:
        """Read what is there; return the evaluation of the current job when it has arrived, also where the judge died over it."""
        assert self._channel is not None
        try:
            part = self._channel.recv(1 << 20)
        except BlockingIOError:
            return None
        except OSError:
            part = b""
        if not part:
            return self.fail(f"the judge process ended with {self.stop()}")
        self._in += part
        while (message := self._take()) is not None:
            if "evaluation" in message:
                self.deadline = float("inf")
                return process.evaluation_of(message["evaluation"])
            self.deadline = self._due(self.ticket) if self.ticket else float("inf")
        return None

    def expire(self) -> Evaluation:
        """Kill the judge, whose time is up, and say whose fault that was."""
        calling = os.pread(self._flag.fileno(), 1, 0) == jails.CALLING
        self.stop()
        if calling:
            return self.fail("a call of the candidate did not end, and its judge was killed", status="timeout")
        return self.fail("evaluate.py did not come to an end, and its judge was killed")

    def fail(self, reason: str, status: Status = "judge_error") -> Evaluation:
        """Return the evaluation that a judge could not give any more."""
        log = process.tail(self._log.fileno(), self._task.limits.output)
        error, seconds = f"{reason}\n{log[-2000:]}".strip(), time.monotonic() - self._began
        seen = Evaluation(status, error=error, seconds=seconds, gpus=self.devices)
        return score.stamped(seen, self._confinement, log)

    def dismiss(self) -> None:
        """Ask the judge to close its jail and leave; `stop` waits for that."""
        if self._judge is not None:
            os.kill(self._judge.pid, signal.SIGTERM)

    def stop(self) -> str:
        """End the judge process and all of its group; return in words how it ended."""
        self.deadline = float("inf")
        if self._judge is None or self._channel is None:
            return "nothing"
        judge = self._judge
        self.dismiss()
        self._channel.settimeout(LEAVE)
        with self._channel, suppress(OSError):
            while self._channel.recv(1 << 20):  # until its end is closed, or time is up
                pass
        with suppress(ProcessLookupError, PermissionError):  # where only the dead leader is left
            os.killpg(judge.pid, signal.SIGKILL)  # its pid is still its own: it has not been waited for
        self._judge = self._channel = None
        try:
            code = judge.wait(STUCK)
        except subprocess.TimeoutExpired:
            return "no end at all: it is stuck in the kernel"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def close(self) -> None:
        """End the judge and free all that the slot holds."""
        self.stop()
        self._log.close()
        self._flag.close()

    def _due(self, ticket: Ticket) -> float:
        """Return when to give up on a job that begins now: its screen and each of its seeds have the task's own time."""
        return time.monotonic() + self._patience * (len(ticket.job.seeds) + 1)

    def _put(self, message: Any) -> None:
        data = wire.encode(message, nonfinite=True)
        self._out += len(data).to_bytes(8, "little") + data

    def _take(self) -> dict[str, Any] | None:
        size = int.from_bytes(self._in[:8], "little")
        if len(self._in) < 8 or len(self._in) < 8 + size:
            return None
        data = bytes(self._in[8 : 8 + size])
        del self._in[: 8 + size]
        message: dict[str, Any] = wire.decode(data, nonfinite=True)
        return message


def environment(threads: int = 1) -> dict[str, str]:
    """Return a judge's environment: the user's without keys, which nothing that is judged needs and which evaluate.py might
    print; so many threads per library unless they say otherwise; and evolve importable.
    """
    variables = dict.fromkeys(THREADS, str(threads)) | without_secrets(os.environ)
    root = str(Path(evolve.judge.__file__).parents[2])
    if root not in (sysconfig.get_path("purelib"), sysconfig.get_path("platlib")):  # a checkout
        variables["PYTHONPATH"] = os.pathsep.join(filter(None, (root, variables.get("PYTHONPATH"))))
    return variables

"""The keeper: the first process of a jail, parent of the candidate's, trusted, and alive as long as the jail.

It is not imported where the judge runs but sent as bytecode (see `evolve.jail.launch`), so it may import nothing but the
standard library and the two modules sent with it. It forks the runner, measures the tree of processes, and ends it:
when the runner ends, when the tree is over a limit, or when the judge closes the control pipe, which it also does by dying.
In a PID namespace the keeper is process 1, so its end is the end of all; elsewhere it is a subreaper, to which orphans come home.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself loads enum, which costs every jail 3 ms
import os
import select
import sys
import time

from evolve.jail import confine, measure

TYPE_CHECKING = False  # what `typing` has; importing it would cost every jail 3 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

TICK = 0.02
"""Seconds between two looks at the tree: what it can do too much is what it can do in that time."""

PATIENCE = 8.0
"""Seconds that killing may take before the keeper gives up, which only a process stuck in the kernel can cause."""


class Keeper:
    """Watches one runner. ``plan`` is what the judge sent, ``status`` the pipe on which the judge is told."""

    def __init__(self, plan: Mapping[str, Any], status: int, runner: int) -> None:
        self.plan = plan
        self.status = status
        self.runner = runner
        self.tree = measure.Tree(plan)
        self.cpu = 0.0
        self.ended: int | None = None

    def watch(self, control: int, bell: int) -> str:
        """Return why the jail has to end: ``ended``, ``asked``, or the name of a limit."""
        while True:
            ready, _, _ = select.select([control, bell], [], [], TICK)
            if bell in ready:
                os.read(bell, 4096)
                self.reap(block=False)
                if self.ended is not None:
                    return "ended"
            excess = self.tree.excess()
            if excess:
                return excess
            if control in ready:
                return "asked"

    def reap(self, block: bool) -> bool:
        """Collect dead children and add up what they used; return whether no child is left."""
        while True:
            try:
                pid, code, usage = os.wait4(-1, 0 if block else os.WNOHANG)
            except ChildProcessError:
                return True
            if not pid:
                return False
            self.cpu += usage.ru_utime + usage.ru_stime
            self.tree.peak = max(self.tree.peak, usage.ru_maxrss * measure.MAXRSS_UNIT)
            if pid == self.runner:
                self.ended = code

    def kill(self) -> None:
        """End every process of the jail."""
        if self.plan["pid_namespace"]:
            measure.kill(-1)
            self.reap(block=True)
            return
        if self.plan["uid"] is not None:
            self._kill_user(self.plan["uid"])
        end = time.monotonic() + PATIENCE
        measure.kill_group(self.runner)
        self._freeze(end)
        while time.monotonic() < end:
            for pid in self.tree.pids():
                measure.kill(pid)
            if self.reap(block=False):
                return
            time.sleep(0.0005)

    def _freeze(self, end: float) -> None:
        """Stop all processes before any is killed: a stopped one still counts against its user's limit, so no flood refills."""
        stopped: set[int] = set()
        while fresh := set(self.tree.pids()) - stopped:
            if time.monotonic() > end:
                return
            for pid in fresh:
                measure.stop(pid)
            stopped |= fresh

    def _kill_user(self, uid: int) -> None:
        """End all processes of the jail's own user at once, which no amount of forking outruns."""
        child = os.fork()
        if not child:
            os.setresuid(uid, uid, uid)
            measure.kill(-1)
            os._exit(0)
        os.waitpid(child, 0)

    def tell(self, text: str) -> None:
        """Write a line to the judge; without a judge there is nothing left to do but to go."""
        try:
            os.write(self.status, text.encode() + b"\n")
        except BrokenPipeError:
            os._exit(1)


def main(plan: Mapping[str, Any], control: int, status: int) -> None:
    """Fork the runner and keep it. Returns in the runner, which goes on as the candidate's process, and never in the keeper."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    bell, rung = os.pipe()
    os.set_blocking(rung, False)
    signal.set_wakeup_fd(rung, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    confine.keep(plan)
    sys.stdout.flush()
    runner = os.fork()
    if not runner:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        confine.confine(plan, status)
        return
    for number in plan["fds"]:
        os.close(number)
    confine.look_as(plan)
    keeper = Keeper(plan, status, runner)
    why = keeper.watch(control, bell)
    keeper.tree.sample()
    keeper.kill()
    code = keeper.ended if keeper.ended is not None else 0
    keeper.tell(f"end {why} {code} {keeper.cpu:.6f} {keeper.tree.peak}")
    os._exit(0)

"""The zygote: the first process of a jail, trusted, and parent of one candidate's process after the other.

It is not imported where the judge runs but sent as bytecode (see `evolve.jail.launch`), so it may import nothing but the
standard library and the modules sent with it. It imports what all candidates of a task need, once, and then serves: for each
candidate it forks, measures the tree of processes, and ends it: when the candidate's process ends, when the tree is over a
limit, or when the judge closes the candidate's control pipe, which it also does by dying. Then it makes sure that nothing is
left. In a PID namespace the zygote is process 1, so its end is the end of all; elsewhere it is a subreaper, to which orphans come
home.
"""

from __future__ import annotations

import _signal as signal  # type: ignore[import-not-found]  # `signal` itself loads enum, which costs every jail 3 ms
import ctypes
import gc
import os
import select
import sys
import time

from evolve.jail import clearing, confine, measure

TYPE_CHECKING = False  # what `typing` has; importing it would cost every jail 3 ms
if TYPE_CHECKING:
    import _socket
    from collections.abc import Mapping
    from types import ModuleType
    from typing import Any

TICK = 0.02
"""Seconds between two looks at the tree: what it can do too much is what it can do in that time."""

PATIENCE = 8.0
"""Seconds that killing may take before the zygote gives up, which only a process stuck in the kernel can cause."""

SETTLE = 0.1
"""Seconds that the kernel may take to give back the memory of files that the dead held open."""

HUGE, MADV_COLLAPSE = 2 << 20, 25
"""Bytes of a huge page on most machines; the advice of linux/mman.h."""

MUCH = 16 << 20
"""Bytes from which on that is worth it: a huge page that a candidate writes to has to be taken apart again."""

MOST = 20_000
"""Entries of a scratch folder that are worth removing; a jail with more of them is given up."""


class Visit:
    """Watches one candidate's process. ``plan`` is what the judge sent, ``status`` the pipe on which the judge is told."""

    def __init__(self, plan: Mapping[str, Any], status: int, runner: int) -> None:
        self.plan = plan
        self.status = status
        self.runner = runner
        self.tree = measure.Tree(plan)
        self.ended: int | None = None

    def watch(self, control: int, bell: int) -> str:
        """Return why the candidate has to end: ``ended``, ``asked``, or the name of a limit."""
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
            self.tree.cpu += usage.ru_utime + usage.ru_stime
            self.tree.peak = max(self.tree.peak, usage.ru_maxrss * measure.MAXRSS_UNIT)
            if pid == self.runner:
                self.ended = code

    def kill(self) -> bool:
        """End every process of the candidate; return whether none is left."""
        if self.plan["pid_namespace"]:
            measure.kill(-1)
            self.reap(block=True)
            return not self.tree.pids()
        # No process can leave its group where seccomp denies that, and none is forked while its group is killed.
        measure.kill_group(self.runner)
        if self._gone(time.monotonic() + SETTLE):
            return True
        if self.plan["uid"] is not None:
            self._kill_user(self.plan["uid"])
        end = time.monotonic() + PATIENCE
        self._freeze(end)
        return self._gone(end)

    def _gone(self, end: float) -> bool:
        """Kill what is there until nothing is, or until ``end``; return whether nothing is."""
        while not self.reap(block=False):
            if time.monotonic() > end:
                return False
            for pid in self.tree.pids():
                measure.kill(pid)
            time.sleep(0.0005)
        return True

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

        def end_user() -> bool:
            os.setresuid(uid, uid, uid)
            measure.kill(-1)
            return True

        measure.apart(end_user)

    def tell(self, text: str) -> None:
        """Write a line to the judge; without a judge there is nothing left to do but to go."""
        try:
            os.write(self.status, text.encode() + b"\n")
        except BrokenPipeError:
            os._exit(1)


class Ground:
    """The memory file systems of a jail, which must be after each candidate as they were before the first.

    Packages may be shown in folders below one of them, which were there before and stay: no candidate can change those.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.places: dict[str, list[str]] = {place: os.listdir(place) for place in plan["tmpfs"]}
        self.before = self._state()

    def _state(self) -> list[tuple[object, ...]]:
        found: list[tuple[object, ...]] = []
        for place in self.places:
            space, info = os.statvfs(place), os.stat(place)
            mode = (info.st_mode, info.st_uid, info.st_gid)
            found.append((space.f_bfree, space.f_ffree, *mode, *os.listxattr(place)))
        return found

    def restore(self) -> bool:
        """Empty them; return whether nothing of the last candidate is left."""
        if self._state() == self.before:  # every file and folder there would take an inode
            return True
        try:
            if not measure.apart(self._clear):
                return False
        except OSError:
            return False
        end = time.monotonic() + SETTLE
        while (after := self._state()) != self.before and time.monotonic() < end:
            time.sleep(0.001)
        return after == self.before

    def _clear(self) -> bool:
        try:
            for place, kept in self.places.items():
                clearing.empty(place, MOST, kept)
        except (clearing.TooMany, OSError):
            return False
        return True

    def age(self) -> None:
        """Make them as old as can be, whatever was done in them."""
        for place in self.places:
            os.utime(place, (0, 0))


def main(plan: Mapping[str, Any], link: _socket.socket, runner: ModuleType) -> list[str]:
    """Serve until the judge closes ``link``. Returns in each candidate's process, with the arguments of its runner."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    bell, rung = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(rung, False)
    signal.set_wakeup_fd(rung, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    confine.keep(plan)
    unfit = prepare(plan, runner) if plan["warm"] else ""
    confine.serve(plan)
    link.sendall(f"{unfit or 'ready'}\n".encode())
    if unfit:
        os._exit(0)
    ground = Ground(plan)
    while True:
        fds = confine.receive(link)
        if fds is None:
            os._exit(0)
        requests, replies, control, status, output = fds
        sys.stdout.flush()
        confine.close(plan, False)  # no candidate lives
        process = os.fork()
        if not process:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            link.detach()
            confine.confine(plan, (requests, replies), status, output)
            return [plan["name"], str(requests), str(replies), *plan["argv"]]
        confine.close(plan, True)
        for number in (requests, replies, output):
            os.close(number)
        keep(plan, Visit(plan, status, process), control, bell, ground)
        for number in (control, status):
            os.close(number)
        drain(bell)


def keep(plan: Mapping[str, Any], visit: Visit, control: int, bell: int, ground: Ground) -> None:
    """See a candidate to its end, and tell the judge of it, and whether another one may come after it."""
    confine.look_as(plan, plan["uid"])
    why = visit.watch(control, bell)
    visit.tree.sample()
    gone = visit.kill()
    # Only after a peaceful end is it worth to look whether nothing is left: any other one is reason enough for a new jail.
    clean = why == "asked" and gone and ground.restore()
    confine.look_as(plan, 0)
    ground.age()
    code = visit.ended if visit.ended is not None else 0
    visit.tell(f"end {why} {code} {visit.tree.cpu:.6f} {visit.tree.peak} {'clean' if clean else 'doubt'}")


def drain(bell: int) -> None:
    """Forget the signals of the children of the last candidate."""
    try:
        while os.read(bell, 4096):
            pass
    except BlockingIOError:
        return


def prepare(plan: Mapping[str, Any], runner: ModuleType) -> str:
    """Import what all candidates need; return why no candidate may be forked from here after all, or nothing."""
    sys.dont_write_bytecode = True
    sys.path += plan["sites"]
    for name in plan["preload"]:
        try:
            __import__(name)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever a package raises, the task's author must be told
            hint = (
                "; name the distribution that it is from in `packages`"
                if isinstance(error, ModuleNotFoundError)
                else ""
            )
            why = f"{type(error).__name__}: {error}{hint}".replace("\n", " ")
            return f"the module {name!r} of `preload` cannot be imported in a jail: {why}"
    runner.prepare()
    gc.collect()
    gc.freeze()  # so that no collection in a candidate's process touches, and so copies, what was imported here
    _collapse()
    return _unfit()


def _collapse() -> None:
    """Gather the memory of the imports in huge pages, where the kernel can (Linux 6.1) and there is much of it: a fork copies the
    table of pages, which with PyTorch has tens of thousands of entries.
    """
    for line in measure.read("/proc/self/maps").splitlines():
        words = line.split()
        if words[1] == b"rw-p" and (len(words) < 6 or words[5] == b"[heap]"):
            start, end = (int(number, 16) for number in words[0].split(b"-"))
            start, end = -(-start // HUGE) * HUGE, end // HUGE * HUGE
            if end - start >= MUCH:  # what cannot be gathered stays as it is
                confine.LIBC.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), MADV_COLLAPSE)


def _unfit() -> str:
    """Return what the imports left in this process that a fork must not inherit."""
    measure.apart(lambda: True)  # a fork, after which a library that can be forked has ended its threads
    if os.path.isdir("/proc/self/task"):
        threads = len(os.listdir("/proc/self/task"))
        if threads > 1:
            return f"cold: the imports of `preload` started {threads - 1} threads, which no fork would have"
        for line in measure.read("/proc/self/maps").splitlines():
            if b"w" in line.split()[1][:3] and line.split()[1].endswith(b"s"):
                return "cold: the imports of `preload` share writable memory, through which candidates could reach each other"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "cold: the imports of `preload` initialised CUDA, which no fork can use"
    return ""

"""What a tree of processes uses, read from /proc by the zygote (see `evolve.jail.inside`); stdlib only.

Memory is anonymous plus shared pages, page tables, and what lies in the jail's memory file systems. Pages of mapped files are
not counted: the kernel takes those back when it needs them. Nor is what the kernel itself keeps for sockets, pipes and locks,
which only a control group sees.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # what `typing` has; importing it would cost every jail 3 ms
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

_SIGKILL = 9
_SIGSTOP = 17 if sys.platform == "darwin" else 19

MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` is in KiB on Linux and in bytes on macOS."""

INODE = 1024
"""Bytes that the kernel takes for a file of a memory file system and its name, however empty it is: about so many, measured."""

_MEMORY = b"\nRssAnon:"
"""In the status of a thread that has not ended."""

APART = 5.0
"""Seconds that something done apart may take."""

TICKS = os.sysconf("SC_CLK_TCK")

CPU_MARGIN = 1.0
"""Seconds of CPU time over the limit at which the tree is ended; one process alone is told by the kernel's signal before."""

FILES = 20_000
"""How many entries a scratch folder may have where it is a folder of the host's: clearing it must end."""


def kill(pid: int) -> None:
    """Send SIGKILL to a process that may be gone by now."""
    try:
        os.kill(pid, _SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def stop(pid: int) -> None:
    """Send SIGSTOP to a process that may be gone by now."""
    try:
        os.kill(pid, _SIGSTOP)
    except (ProcessLookupError, PermissionError):
        return


def kill_group(pid: int) -> None:
    """Send SIGKILL to a process group that may be gone by now."""
    try:
        os.killpg(pid, _SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def read(path: str) -> bytes:
    """Return a file of /proc, or nothing where the process is gone or closed to us."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except OSError:
        return b""


def fields(text: bytes, names: Mapping[bytes, int]) -> list[int]:
    """Return the numbers behind ``names`` in a ``Name:  number [kB]`` file of /proc, in the order that ``names`` gives."""
    found = [0] * len(names)
    for line in text.splitlines():
        name, _, rest = line.partition(b":")
        if name in names:
            found[names[name]] = int(rest.split()[0])
    return found


def apart(act: Callable[[], bool]) -> bool:
    """Do something in a process of its own and return what it returned, False if it failed or takes too long.

    What it reads is gone with it. In this process it would stay in freed memory, which the next candidate inherits.
    """
    child = os.fork()
    if not child:
        done = False
        try:
            done = act()
        finally:
            os._exit(not done)
    end = time.monotonic() + APART
    while not (found := os.waitpid(child, os.WNOHANG))[0]:
        if time.monotonic() > end:  # stopped, perhaps: some kernels let a candidate signal all processes of its user
            kill(child)
            os.waitpid(child, 0)
            return False
        time.sleep(0.0002)
    return found[1] == 0


class Tree:
    """All processes of a jail, the zygote's own left out.

    ``plan`` gives ``memory`` and ``scratch`` in bytes, ``processes`` (threads count), ``cpu_seconds``, ``tmpfs``: the memory file
    systems to count, and ``folder``: a scratch folder of the host's to measure, or None. ``cpu`` is what the dead children of
    the zygote used, with all that they had waited for.
    """

    _STATUS = {  # noqa: RUF012 - the module is sent without typing
        **{b"Threads": 0, b"RssAnon": 1, b"RssShmem": 2, b"VmSwap": 3},
        **{b"VmPTE": 4, b"HugetlbPages": 5},
    }
    _ROLLUP = {b"Pss_Anon": 0, b"Pss_Shmem": 1, b"SwapPss": 2}  # noqa: RUF012

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.plan = plan
        self.peak = 0
        self.cpu = 0.0
        self.looks = 0

    def pids(self) -> list[int]:
        """Return the processes: all that /proc shows in a PID namespace, else the zygote's descendants."""
        me = os.getpid()
        if self.plan["pid_namespace"]:
            return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != me]
        if not os.path.isdir("/proc/self/task"):
            return []
        return list(self._descendants(me))

    def crowded(self) -> bool:
        """Return whether there are more processes than allowed, without looking at more than that."""
        if self.plan["pid_namespace"]:
            return len(self.pids()) > int(self.plan["processes"])
        found = self._descendants(os.getpid())
        return all(next(found, None) for _ in range(self.plan["processes"] + 1))

    def _descendants(self, pid: int) -> Iterator[int]:
        queue = [pid]
        while queue:
            top = queue.pop()
            try:
                tasks = os.listdir(f"/proc/{top}/task")
            except OSError:
                continue
            for task in tasks:
                for child in read(f"/proc/{top}/task/{task}/children").split():
                    queue.append(int(child))
                    yield int(child)

    def sample(self) -> tuple[int, int]:
        """Return (bytes of memory, number of threads) of the tree and remember the peak."""
        pids = self.pids()
        threads = anonymous = shared = tables = 0
        for pid in pids:
            count, anon, shmem, swapped, table, huge = fields(_status(pid), self._STATUS)
            threads += count
            anonymous += anon + swapped << 10
            shared += shmem << 10
            tables += table + huge << 10
        files = sum(self._used(path) for path in self.plan["tmpfs"])
        total = anonymous + tables + max(shared, files)
        if len(pids) > 1 and total > self.peak:
            total = tables + self._proportional(pids, files)
        self.peak = max(self.peak, total)
        return total, threads

    def _proportional(self, pids: list[int], files: int) -> int:
        """Return the memory with pages that several processes share counted once: dearer to read, so only where it matters."""
        anonymous = shared = 0
        for pid in pids:
            text = read(f"/proc/{pid}/smaps_rollup")
            if text:
                anon, shmem, swapped = fields(text, self._ROLLUP)
            else:
                _, anon, shmem, swapped, _, _ = fields(_status(pid), self._STATUS)
            anonymous += anon + swapped << 10
            shared += shmem << 10
        return anonymous + max(shared, files)

    @staticmethod
    def _used(path: str) -> int:
        try:
            stat = os.statvfs(path)
        except OSError:
            return 0
        return (stat.f_blocks - stat.f_bfree) * stat.f_frsize + (stat.f_files - stat.f_ffree) * INODE

    def excess(self) -> str:
        """Return the name of the limit that the tree is over, or nothing."""
        if self.crowded():  # in a flood of processes there is no time to look at each
            return "processes"
        memory, threads = self.sample()
        if memory > self.plan["memory"]:
            return "memory"
        if threads > self.plan["processes"]:
            return "processes"
        self.looks += 1
        if self.looks % 5 == 0 and self.cpu + self._running() > self.plan["cpu_seconds"] + CPU_MARGIN:
            return "cpu"
        if self.plan["folder"] and self.looks % 5 == 0 and not self._fits():
            return "scratch"
        return ""

    def _fits(self) -> bool:
        """Return whether the scratch folder holds no more than it may; names are read apart where another candidate follows."""
        pids = self.pids()

        def look() -> bool:
            return self._folder(pids) <= int(self.plan["scratch"])

        return apart(look) if self.plan["warm"] else look()

    def _running(self) -> float:
        """Return the CPU seconds of the living processes, and of those that they have waited for."""
        ticks = 0
        for pid in self.pids():
            words = read(f"/proc/{pid}/stat").rpartition(b")")[2].split()
            ticks += sum(map(int, words[11:15]))  # utime, stime, cutime, cstime
        return ticks / TICKS

    def _folder(self, pids: list[int]) -> int:
        """Return the bytes in the scratch folder and in files that were removed from it but are held open.

        It is more than it may hold if it has too many entries, or hides some: in folders that are closed to us or too deep to be
        named, or in files without a name that are only mapped.
        """
        top, over = self.plan["folder"], int(self.plan["scratch"]) + 1
        size = entries = 0
        queue = [top]
        while queue:
            try:
                with os.scandir(queue.pop()) as found:
                    for entry in found:
                        entries += 1
                        if entries > FILES:
                            return over
                        if entry.is_dir(follow_symlinks=False):
                            queue.append(entry.path)
                        else:
                            size += _blocks(entry.path)
            except (FileNotFoundError, NotADirectoryError):  # gone since it was listed
                continue
            except OSError:
                return over
        nameless = self._nameless(pids, os.stat(top).st_dev)
        return over if nameless is None else size + nameless

    @staticmethod
    def _nameless(pids: list[int], device: int) -> int | None:
        """Return the bytes of files on ``device`` that have no name but are open, or None if one is hidden: mapped without being
        open, or held by a process that nobody may look into, which none is but by its own doing.
        """
        opened: dict[int, int] = {}
        mapped: set[int] = set()
        for pid in pids:
            for task in _listed(f"/proc/{pid}/task"):  # each of which may have files of its own, the first be dead
                place = f"/proc/{pid}/task/{task}"
                try:
                    descriptors = os.listdir(f"{place}/fd")
                except PermissionError:
                    if _MEMORY in read(f"{place}/status"):  # else it is dead or dying
                        return None
                    continue
                except OSError:
                    continue
                opened |= _unnamed((f"{place}/fd/{descriptor}" for descriptor in descriptors), device)
                mapped |= _mapped(place, device)
        return None if mapped - opened.keys() else sum(opened.values())


def _unnamed(links: Iterable[str], device: int) -> dict[int, int]:
    """Return the bytes, by inode, of those open files on ``device`` that have no name."""
    found: dict[int, int] = {}
    for link in links:
        try:
            info = os.stat(link)
        except OSError:
            continue
        if not info.st_nlink and info.st_dev == device:
            found[info.st_ino] = info.st_blocks * 512
    return found


def _mapped(place: str, device: int) -> set[int]:
    """Return the inodes of the files without a name on ``device`` that a process has mapped."""
    found: set[int] = set()
    for line in read(f"{place}/maps").splitlines():
        if line.endswith(b" (deleted)"):
            major, _, minor = line.split()[3].partition(b":")
            if os.makedev(int(major, 16), int(minor, 16)) == device:
                found.add(int(line.split()[4]))
    return found


def _status(pid: int) -> bytes:
    """Return what the kernel tells of a process; of its memory a thread that is dead, as the first one may be, tells nothing."""
    text = read(f"/proc/{pid}/status")
    if _MEMORY in text:
        return text
    others = (read(f"/proc/{pid}/task/{task}/status") for task in _listed(f"/proc/{pid}/task"))
    return next((other for other in others if _MEMORY in other), text)


def _blocks(path: str) -> int:
    """Return the bytes that a file takes on disk, none if it is gone."""
    try:
        return os.lstat(path).st_blocks * 512
    except FileNotFoundError:
        return 0


def _listed(folder: str) -> list[str]:
    """Return the names in a folder of /proc, none if its process is gone."""
    try:
        return os.listdir(folder)
    except OSError:
        return []

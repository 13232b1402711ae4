"""The attacks of the self-test, from inside: a runner in the place of a candidate's (see `evolve.jail.selftest`).

Self-contained, stdlib only. Every attack returns what it achieved as text, or nothing, or raises OSError, if it was denied.
Whether something happened outside is for the self-test to look at.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import mmap
import os
import platform
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO

_PTRACE_ATTACH, _PTRACE_DETACH, _MS_REMOUNT, _MS_BIND, _CLONE_NEWUSER, _CLONE_NEWNS = (
    16,
    17,
    32,
    4096,
    0x10000000,
    0x20000,
)
_CHUNK = 4 << 20
LIBC = ctypes.CDLL(None, use_errno=True)
MARK = ctypes.create_string_buffer(1)


def tcp(port: int, **_: Any) -> str:
    """Connect to a listener on the loopback address."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.settimeout(1)
        connection.connect(("127.0.0.1", port))
    return "connected"


def udp(port: int, token: str, **_: Any) -> str:
    """Send a datagram; the self-test sees whether it came."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(token.encode(), ("127.0.0.1", port))
    return ""


def abstract_socket(token: str, **_: Any) -> str:
    """Connect to a Unix socket outside that has no path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect("\0" + token)
    return "connected"


def named_socket(folder: str, **_: Any) -> str:
    """Connect to a Unix socket outside that has a path."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(folder + "/socket")
    return "connected"


def datagram_socket(folder: str, token: str, **_: Any) -> str:
    """Send to a Unix socket outside from a pair of one's own, which needs no new socket."""
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.sendto(token.encode(), folder + "/datagram")
    return "sent"


def netlink(**_: Any) -> str:
    """Open a socket to the kernel's network configuration."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW):
        return "opened"


def read_outside(folder: str, **_: Any) -> str:
    """Read a file outside."""
    with open(folder + "/canary") as file:
        return file.read()


def environment(token: str, victim: int, **_: Any) -> str:
    """Find a secret in the environment of any process."""
    pids = {1, os.getppid(), victim, *(int(name) for name in os.listdir("/proc") if name.isdigit())}
    for pid in sorted(pids):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
            if token.encode() in file.read():
                return f"read in /proc/{pid}/environ"
    return "inherited" if token in str(os.environ) else ""


def write_outside(folder: str, program: str, token: str, **_: Any) -> str:
    """Write, create, truncate or chmod files outside the scratch folder."""
    done = []
    for place in (folder, program, os.path.dirname(os.__file__)):
        path = f"{place}/{token}"
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            os.unlink(path)
            done.append(f"created {path}")
    canary = folder + "/canary"
    changes: dict[str, Callable[[], object]] = {
        "opened for writing": lambda: os.close(os.open(canary, os.O_WRONLY | os.O_APPEND)),
        "truncated": lambda: os.close(os.open(canary, os.O_RDONLY | os.O_TRUNC)),
        "chmod": lambda: os.chmod(canary, 0o600),
        "utime": lambda: os.utime(canary, (1, 1)),
        "renamed": lambda: os.rename(canary, canary + ".moved"),
    }
    for name, change in changes.items():
        with contextlib.suppress(OSError):
            change()
            done.append(f"{name} a file outside")
    return ", ".join(done)


def remount(program: str, **_: Any) -> str:
    """Make the program's folder writable by a mount, cover a folder, or make namespaces in which that would be allowed.

    Only what is the jail's own is aimed at: where nothing confines this, it must do no harm.
    """
    done = []
    if LIBC.mount(None, program.encode(), None, _MS_REMOUNT | _MS_BIND, None) == 0:
        done.append("remounted the program's folder")
    with contextlib.suppress(FileExistsError):
        os.mkdir("mount")
    if LIBC.mount(b"none", b"mount", b"tmpfs", 0, b"size=4096") == 0:
        LIBC.umount2(b"mount", 0)
        done.append("mounted a file system")
    if LIBC.unshare(_CLONE_NEWUSER | _CLONE_NEWNS) == 0:
        done.append("made namespaces")
    return ", ".join(done)


def signal_outside(victim: int, **_: Any) -> str:
    """End, throttle or lower the limits of a process outside."""
    done = []
    with contextlib.suppress(OSError, ValueError):
        resource.prlimit(victim, resource.RLIMIT_NOFILE, (64, 64))
        done.append("limited it")
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, victim, 19)
        done.append("slowed it down")
    with contextlib.suppress(OSError):
        os.kill(victim, signal.SIGTERM)
        done.append("ended it")
    return ", ".join(done)


def trace_outside(victim: int, **_: Any) -> str:
    """Read another process's memory."""
    done = []
    for pid in (victim, os.getppid()):
        if LIBC.ptrace(_PTRACE_ATTACH, pid, None, None) == 0:
            os.waitpid(pid, 0)
            LIBC.ptrace(_PTRACE_DETACH, pid, None, None)
            done.append(f"attached to {pid}")
        with contextlib.suppress(OSError):
            os.close(os.open(f"/proc/{pid}/mem", os.O_RDONLY))
            done.append(f"opened the memory of {pid}")
    return ", ".join(done)


def descriptors(**_: Any) -> str:
    """Find an open file that is not standard and not one of the two pipes."""
    extra = []
    for number in range(3, 1024):
        if str(number) not in sys.argv[1:3]:
            with contextlib.suppress(OSError):
                os.fstat(number)
                extra.append(number)
    return f"inherited {extra}" if extra else ""


def kill_parent(**_: Any) -> str:
    """Slow the zygote down; end it, and be without one."""
    done = ""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)
        done = "slowed it down"
    with contextlib.suppress(OSError):
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(0.05)
    return done


def privileges(**_: Any) -> str:
    """Be root, or become it."""
    if os.getuid() == 0:
        return "it is root"
    for function in (os.setuid, os.setgid):
        with contextlib.suppress(OSError):
            function(0)
            return f"{function.__name__}(0)"
    return ""


def kernel(**_: Any) -> str:
    """Open interfaces of the kernel in which holes keep being found."""
    done = []
    for name, number, arguments in (
        ("io_uring", 425, (4, bytes(120))),
        ("perf_event_open", (298, 241), (b"\1\0\0\0\x80\0\0\0" + bytes(120), 0, -1, -1, 0)),
        ("userfaultfd", (323, 282), (1,)),
        ("the keyrings", (250, 219), (0, -2, 1)),
    ):
        call = number if isinstance(number, int) else number[platform.machine() == "aarch64"]
        if LIBC.syscall(call, *arguments) >= 0:
            done.append(name)
    return ", ".join(done)


def traces(**_: Any) -> str:
    """Make shared memory that outlives its process."""
    if (number := LIBC.shmget(0, mmap.PAGESIZE, 0o600)) < 0:
        return ""
    LIBC.shmctl(number, 0, None)
    return "shared memory"


def daemon(token: str, **_: Any) -> str:
    """Leave a process behind that has nothing in common with this one, and no zygote; the self-test looks for it."""
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        if os.fork() == 0:
            os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", "import time; time.sleep(20)", token])
        os._exit(0)
    os.wait()
    time.sleep(0.1)
    with contextlib.suppress(OSError):
        os.kill(os.getppid(), signal.SIGKILL)
    return ""


def _kept(what: str) -> str:
    """Return ``what`` if it could be kept for a second: a watchdog on a busy machine needs a moment."""
    time.sleep(1)
    return what


def processes(limit: int, **_: Any) -> str:
    """Start more processes than are allowed."""
    children = 0
    for _child in range(limit * 2):
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        children += 1
    return _kept(f"{children} processes") if children >= limit else ""


def _fill(size: int, flags: int) -> list[mmap.mmap]:
    blocks = []
    for _ in range(size // _CHUNK):
        block = mmap.mmap(-1, _CHUNK, flags=flags | mmap.MAP_ANONYMOUS)
        for offset in range(0, _CHUNK, mmap.PAGESIZE):
            block[offset] = 1
        blocks.append(block)
    return blocks


def memory(limit: int, **_: Any) -> str:
    """Use twice the memory that is allowed."""
    blocks = _fill(2 * limit, mmap.MAP_PRIVATE)
    return _kept(f"{len(blocks) * _CHUNK >> 20} MiB")


def shared_memory(limit: int, **_: Any) -> str:
    """The same with pages that could be shared, which no limit of a process counts; nor are they mapped any more."""
    blocks: list[mmap.mmap] = []
    for _block in range(2 * limit // _CHUNK):
        blocks += _fill(_CHUNK, mmap.MAP_SHARED)
        blocks[-1].madvise(mmap.MADV_DONTNEED)
    return _kept(f"{len(blocks) * _CHUNK >> 20} MiB")


def memory_of_children(limit: int, **_: Any) -> str:
    """Use twice the memory that is allowed, in six processes none of which uses too much."""
    for _child in range(6):
        if os.fork() == 0:
            blocks = _fill(limit // 3, mmap.MAP_PRIVATE)
            time.sleep(20)  # with what it took: freed memory is no use of it
            os._exit(len(blocks) == 0)
    return _kept("six children")


def memory_in_files(limit: int, token: str, **_: Any) -> str:
    """Use twice the memory that is allowed in files of memory file systems, or in memory that has no name."""
    left = 2 * limit
    paths: list[str] = []
    for folder in ("/dev/shm", os.getcwd(), "/tmp", "/dev", "/"):
        with contextlib.suppress(OSError):
            while left > 0:
                paths.append(f"{folder}/{token}{len(paths)}")
                with open(paths[-1], "wb", buffering=0) as file:
                    left -= file.write(bytes(_CHUNK))
    with contextlib.suppress(OSError):
        number = os.memfd_create("probe")
        while left > 0:
            left -= os.write(number, bytes(_CHUNK))
    achieved = "" if left > 0 else _kept(f"{2 * limit >> 20} MiB")
    for path in paths:
        with contextlib.suppress(OSError):
            os.unlink(path)
    return achieved


def disk(limit: int, **_: Any) -> str:
    """Write more than the scratch folder may hold, into files seen nowhere: they are on their way between two sockets."""
    sockets = []
    for number in range(3 * limit // _CHUNK):
        with open(str(number), "wb", buffering=0) as file:
            file.write(bytes(_CHUNK))
            sockets.append(socket.socketpair())
            socket.send_fds(sockets[-1][0], [b"x"], [file.fileno()])
        os.unlink(str(number))
    return _kept(f"{len(sockets) * _CHUNK >> 20} MiB")


def leave(token: str, **_: Any) -> str:
    """Leave something for whoever comes next: files, modules, a process that listens, a mark in what both are forked from."""
    for folder in (os.getcwd(), "/dev/shm"):
        with contextlib.suppress(OSError):
            os.mkdir(f"{folder}/{token}", 0o500)
    sys.modules[token] = contextlib
    if os.fork() == 0:
        with contextlib.suppress(OSError):
            os.setsid()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(f"\0{token}-left")
            listener.listen(8)
            time.sleep(20)
        os._exit(0)
    with contextlib.suppress(OSError), open(f"/proc/{os.getppid()}/mem", "r+b", buffering=0) as memory:
        memory.seek(ctypes.addressof(MARK))
        memory.write(b"x")
    return ""


def inherit(token: str, **_: Any) -> str:
    """Find what `leave` left."""
    found = [folder for folder in (os.getcwd(), "/dev/shm") if os.path.exists(f"{folder}/{token}")]
    found += ["a module"] * (token in sys.modules) + ["a mark in its memory"] * (MARK.raw != b"\0")
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(f"\0{token}-left")
        found.append("somebody who listens")
    return ", ".join(found)


def prepare() -> None:
    """Have all imported before the first fork, as a runner of warm jails must: all was."""


def serve(requests: BinaryIO, replies: BinaryIO, program: str) -> None:
    """Attempt what is asked for, one attack a frame."""
    while header := requests.read(8):
        asked = json.loads(requests.read(int.from_bytes(header, "little")))
        try:
            result = globals()[asked.pop("attack")](program=program, **asked)
        except (OSError, MemoryError):
            result = ""
        encoded = json.dumps(result).encode()
        replies.write(len(encoded).to_bytes(8, "little") + encoded)
        replies.flush()


def main(argv: list[str]) -> None:
    """Attempt what comes on the first pipe and reply on the second."""
    with open(int(argv[1]), "rb") as incoming, open(int(argv[2]), "wb") as outgoing:
        serve(incoming, outgoing, argv[3])

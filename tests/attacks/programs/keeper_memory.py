"""Reaches for the process that candidates are forked from: writes its memory, traces it and what it will fork, takes its descriptors,
advises on its pages.
"""

import ctypes
import os

from kit import LIBC, attempt, honest as solve, require, syscall  # noqa: F401

TRACE_FORK, SEIZE, ATTACH, DETACH, TRACEME = 2, 0x4206, 16, 17, 0
KEEPERS = {os.getppid()} | ({1} if os.getpid() < 10 else set())
LIBC.ptrace.argtypes = (ctypes.c_long,) * 4


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


def trace(request, pid):
    if LIBC.ptrace(request, pid, 0, TRACE_FORK if request == SEIZE else 0) == -1:
        raise OSError
    LIBC.ptrace(DETACH, pid, 0, 0)


def write(pid):
    buffer = ctypes.create_string_buffer(b"poisoned")
    here = there = Vector(ctypes.addressof(buffer), 8)  # the fork has all at the same addresses
    return syscall("process_vm_writev", pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)


def overwrite(pid):
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        memory.seek(id(solve))
        return memory.read(8)


for keeper in sorted(KEEPERS):
    attempt("trace_outside", f"seized {keeper} and its forks", trace, SEIZE, keeper)
    attempt("trace_outside", f"attached to {keeper}", trace, ATTACH, keeper)
    attempt("trace_outside", f"wrote into {keeper}", write, keeper)
    attempt("trace_outside", f"opened the memory of {keeper} to write", overwrite, keeper)
    for name in ("environ", "maps", "auxv", "mem", "pagemap", "smaps_rollup", "io", "stack", "syscall", "wchan", "personality"):
        attempt("trace_outside", f"read {name} of {keeper}", lambda: require(open(f"/proc/{keeper}/{name}", "rb").read(8)[1:]))
    for name in ("fd", "fdinfo", "map_files", "ns", "task/{0}/fd"):
        attempt("trace_outside", f"listed {name} of {keeper}", os.listdir, f"/proc/{keeper}/{name}".format(keeper))
    for number in range(12):
        attempt("trace_outside", f"opened {number} of {keeper}", os.open, f"/proc/{keeper}/fd/{number}", os.O_RDWR | os.O_NONBLOCK)
        attempt("trace_outside", f"took {number} of {keeper}", lambda: syscall("pidfd_getfd", os.pidfd_open(keeper), number, 0))

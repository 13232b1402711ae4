"""Reads and steals from other processes: their memory, their descriptors; by ptrace, /proc, and the calls made for it."""

import ctypes
import os

import targets
from kit import LIBC, attempt, honest as solve, pids, require, syscall  # noqa: F401

PTRACE_SEIZE, PTRACE_DETACH = 0x4206, 17


class Vector(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("size", ctypes.c_size_t))


def seize(pid):
    LIBC.ptrace.argtypes = (ctypes.c_long,) * 4
    if LIBC.ptrace(PTRACE_SEIZE, pid, 0, 0) == -1:
        raise OSError
    LIBC.ptrace(PTRACE_DETACH, pid, 0, 0)


def copy(pid):
    buffer = ctypes.create_string_buffer(8)
    here, there = Vector(ctypes.addressof(buffer), 8), Vector(0x400000, 8)
    try:
        return syscall("process_vm_readv", pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
    except OSError as error:
        if error.errno == 14:  # a bad address: but a right to ask
            return 0
        raise


def steal(pid):
    return syscall("pidfd_getfd", syscall("pidfd_open", pid, 0), 1, 0)


def take(pid, name):
    descriptor = os.open(f"/proc/{pid}/{name}", os.O_RDONLY)
    if name != "mem":  # which has nothing at address 0
        require(os.read(descriptor, 8))
    return name


for pid in pids():
    attempt("trace_outside", f"traced {pid}", seize, pid)
    attempt("trace_outside", f"read the memory of {pid}", copy, pid)
    attempt("trace_outside", f"took a descriptor of {pid}", steal, pid)
    attempt("trace_outside", f"compared itself with {pid}", syscall, "kcmp", os.getpid(), pid, 0, 0, 0)
    for name in ("mem", "maps", "auxv", "stack", "syscall", "pagemap"):
        attempt("trace_outside", f"opened /proc/{pid}/{name}", take, pid, name)
    for name in ("cwd", "root", "exe"):
        attempt("trace_outside", f"followed /proc/{pid}/{name}", os.readlink, f"/proc/{pid}/{name}")
    attempt("trace_outside", f"listed the descriptors of {pid}", os.listdir, f"/proc/{pid}/fd")

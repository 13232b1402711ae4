"""Opens the kernel's large and seldom needed interfaces, in which holes keep being found, or which reach past the file system."""

import ctypes
import fcntl
import os

import targets
from kit import attempt, honest as solve, libc, syscall  # noqa: F401

ZERO = ctypes.create_string_buffer(256)
ATTRIBUTE = ctypes.create_string_buffer(b"\x01\x00\x00\x00\x80\x00\x00\x00", 128)  # perf: a software event


def handle():
    buffer = ctypes.create_string_buffer(b"\x80\x00\x00\x00", 136)
    mount = ctypes.c_int()
    syscall("name_to_handle_at", -100, b"/", buffer, ctypes.byref(mount), 0)
    return syscall("open_by_handle_at", -100, buffer, 0)


def typed():
    terminal, _ = os.openpty()
    fcntl.ioctl(terminal, 0x5412, b"x")


attempt("kernel", "io_uring", syscall, "io_uring_setup", 4, ZERO)
attempt("kernel", "bpf", syscall, "bpf", 0, ctypes.create_string_buffer(b"\x02\x00\x00\x00\x04\x00\x00\x00\x04\x00\x00\x00\x01", 128), 128)
attempt("kernel", "userfaultfd", syscall, "userfaultfd", 0x800 | 1)
attempt("kernel", "perf_event_open", syscall, "perf_event_open", ATTRIBUTE, 0, -1, -1, 0)
attempt("kernel", "a key", syscall, "add_key", b"user", targets.TOKEN.encode(), b"x", 1, -2)
attempt("kernel", "a keyring", syscall, "keyctl", 0, -2, 1)
attempt("kernel", "files by handle", handle)
attempt("kernel", "the kernel's log", lambda: syscall("syslog", 3, ZERO, 256))
attempt("kernel", "memory laid out alike each time", libc, "personality", 0x0040000)
attempt("kernel", "typed into a terminal", typed)
for path in ("/dev/kvm", "/dev/fuse", "/dev/net/tun", "/dev/userfaultfd", "/dev/loop-control", "/dev/mapper/control", "/dev/tty"):
    attempt("kernel", path, os.open, path, os.O_RDWR)

"""Becomes somebody else, takes rights, raises its limits, and runs the system's programs that give rights away."""

import ctypes
import os
import resource
import stat
import struct

import targets
from kit import attempt, got, honest as solve, libc, syscall  # noqa: F401


def apart(what):
    pid = os.fork()
    if not pid:
        try:
            what()
        except (OSError, ValueError):
            os._exit(1)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError


def capabilities():
    header, data = struct.pack("=Ii", 0x20080522, 0), struct.pack("=6I", *[0xFFFFFFFF] * 2, 0, *[0x1FF] * 2, 0)
    syscall("capset", header, data)


def raised(which):
    soft, hard = resource.getrlimit(which)
    if hard == resource.RLIM_INFINITY:
        raise OSError
    resource.setrlimit(which, (hard, hard + 1))


def owned_by_root():
    with open("suid", "wb") as file:
        file.write(b"x")
    os.chown("suid", 0, 0)
    os.chmod("suid", 0o4755)
    if os.stat("suid").st_uid == 0 == os.stat("/").st_uid and os.getuid() != 0:
        return True
    raise OSError


if os.getuid() == 0 or os.geteuid() == 0:
    got("privileges", "it is root")
else:
    for name, function in (("user", os.setuid), ("group", os.setgid), ("groups", lambda number: os.setgroups([number]))):
        attempt("privileges", f"became root's {name}", apart, lambda: function(0))
    attempt("privileges", "another user", apart, lambda: os.setresuid(1, 1, 1))
    for program in ("su", "mount", "passwd", "newgrp", "ping"):
        path = f"/usr/bin/{program}"
        if os.path.exists(path) and os.stat(path).st_mode & stat.S_ISUID:
            code = f"import os; os.execv({path!r}, [{path!r}, '--version'])"
            with open("/proc/self/status") as file:
                if "NoNewPrivs:\t0" in file.read():
                    got("privileges", f"{path} would run as root: {code:.0}")
            break
attempt("privileges", "took all capabilities", apart, capabilities)
attempt("privileges", "a file of root's", owned_by_root)
for name in ("RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_CORE", "RLIMIT_MEMLOCK"):
    attempt("privileges", f"raised {name}", apart, lambda: raised(getattr(resource, name)))
attempt("privileges", "a device", lambda: os.mknod("device", stat.S_IFBLK | 0o600, os.makedev(254, 0)))

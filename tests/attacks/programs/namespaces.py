"""Makes or enters namespaces, where it would be root, and changes its root folder."""

import ctypes
import os

from kit import attempt, honest as solve, libc, pids, syscall  # noqa: F401

FLAGS = {"user": 0x10000000, "mount": 0x20000, "network": 0x40000000, "pid": 0x20000000, "ipc": 0x8000000, "time": 0x80}


def apart(what):
    """Try in a child, so that this process stays what it is."""
    pid = os.fork()
    if not pid:
        try:
            what()
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
        raise OSError


def clone(flags):
    pid = syscall("clone", flags | 17, 0, 0, 0, 0)
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


def clone3(flags):
    arguments = (ctypes.c_uint64 * 8)(flags, 0, 0, 0, 17)
    pid = syscall("clone3", ctypes.byref(arguments), 64)
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)


for name, flag in FLAGS.items():
    attempt("remount", f"left its {name} namespace", apart, lambda: libc("unshare", flag))
    attempt("remount", f"left its user and {name} namespace", apart, lambda: libc("unshare", flag | FLAGS["user"]))
    if name != "time":
        attempt("remount", f"cloned into a {name} namespace", clone, flag | FLAGS["user"])
    attempt("remount", f"cloned into a {name} namespace by clone3", clone3, flag | FLAGS["user"])
for pid in pids():
    for name in ("user", "mnt", "net"):
        attempt("remount", f"entered the {name} of {pid}", apart, lambda: libc("setns", os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), 0))
attempt("remount", "changed its root", apart, lambda: os.chroot("/tmp"))

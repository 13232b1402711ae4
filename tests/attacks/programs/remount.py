"""Changes what is mounted: makes a read-only folder writable, covers one, moves the root, opens trees apart."""

import os

import targets
from kit import attempt, honest as solve, libc, syscall, unconfined  # noqa: F401

REMOUNT, READ_ONLY, BIND, MOVE, PRIVATE, DETACH = 32, 1, 4096, 8192, 1 << 18, 2
PROGRAM = os.path.dirname(__file__).encode()


def mounted(place, *arguments):
    libc("mount", *arguments)
    libc("umount2", place, DETACH)


os.makedirs("place", exist_ok=True)
for folder in (PROGRAM, targets.OUTSIDE.encode()):
    attempt("remount", "remounted writable", libc, "mount", None, folder, None, REMOUNT | BIND, None)
attempt("remount", "bound", mounted, b"place", PROGRAM, b"place", None, BIND, None)
for kind in (b"tmpfs", b"proc", b"sysfs", b"overlay", b"devpts", b"cgroup2"):
    attempt("remount", f"mounted {kind}", mounted, b"place", b"none", b"place", kind, 0, None)
attempt("remount", "opened a tree", lambda: os.close(syscall("open_tree", -100, PROGRAM, 1)))
attempt("remount", "opened a file system", lambda: os.close(syscall("fsopen", b"tmpfs", 0)))
attempt("remount", "changed the root for nothing", syscall, "pivot_root", b"place", b"place")
for folder in (b"/proc", b"/tmp", b"/dev") if not unconfined() else ():
    attempt("remount", f"unmounted {folder}", libc, "umount2", folder, DETACH)

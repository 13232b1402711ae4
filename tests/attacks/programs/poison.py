"""Leaves things for whoever is judged next: files wherever they stick, shared memory, queues, keys, bytecode, a start-up hook."""

import os
import sys

import targets
from kit import attempt, honest as solve, libc, syscall, unconfined  # noqa: F401

HOOK = "raise SystemExit(0)"
FOLDERS = ["/tmp", "/var/tmp", "/dev/shm", "."]
if not unconfined():
    FOLDERS += [os.path.dirname(__file__), os.path.dirname(os.__file__) + "/__pycache__", *targets.SITES]
for folder in FOLDERS:
    for name in (targets.TOKEN, f"{targets.TOKEN}.pth", "sitecustomize.py", "usercustomize.py"):
        if targets.TOKEN in name or folder == ".":
            try:
                with open(f"{folder}/{name}", "x") as file:
                    file.write(HOOK)
            except OSError:
                pass
for path in (f"{sys.prefix}/pyvenv.cfg", f"{targets.HOME}/.bashrc", f"{targets.HOME}/.config"):
    try:
        with open(path, "a"):
            pass
    except OSError:
        pass
attempt("traces", "shared memory of System V", libc, "shmget", targets.KEY, 4096, 0o1666)
attempt("traces", "a queue of System V", libc, "msgget", targets.KEY, 0o1666)
attempt("traces", "a semaphore of System V", libc, "semget", targets.KEY, 1, 0o1666)
attempt("traces", "a queue of POSIX", lambda: libc("mq_open", b"/" + targets.TOKEN.encode(), os.O_CREAT | os.O_RDWR, 0o666, None))
for name, keyring in (("user", -4), ("session", -3)):
    key = attempt("traces", f"a key of the {name}'s", syscall, "add_key", b"user", targets.TOKEN.encode(), b"x", 1, keyring)
    if key is not None:
        syscall("keyctl", 15, key, 5)  # it expires by itself after five seconds

"""Leaves things for whoever is judged next: files wherever they stick, shared memory, queues, keys, bytecode, a start-up hook."""

import os
import sys

import targets
from kit import attempt, honest as solve, libc, syscall  # noqa: F401

HOOK = "raise SystemExit(0)"
FOLDERS = ["/tmp", "/var/tmp", "/dev/shm", ".", os.path.dirname(__file__), os.path.dirname(os.__file__) + "/__pycache__", *targets.SITES]
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
attempt("traces", "a key", syscall, "add_key", b"user", targets.TOKEN.encode(), b"x", 1, -4)
attempt("traces", "a key of the session's", syscall, "add_key", b"user", targets.TOKEN.encode(), b"x", 1, -3)

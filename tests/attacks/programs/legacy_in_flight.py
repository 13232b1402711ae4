"""Leaves things that nobody holds but messages on their way between sockets that hold each other: files without names, locks and
leases on its source, a listening socket, a watch on its folder.
"""

import fcntl
import os
import socket

import targets
from kit import LIBC, got, honest as solve, unconfined  # noqa: F401

NAME = f"\0{targets.TOKEN}-flight"


def attempt(act, *arguments):
    try:
        return act(*arguments)
    except OSError:
        return None


def reach():
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.connect(NAME)
        got("traces", "reached a socket that was left")


attempt(reach)
held = []
for number in range(8):
    held.append(os.open(f"file-{number}", os.O_CREAT | os.O_RDWR, 0o600))
    attempt(os.write, held[-1], bytes(1 << 20))
    os.unlink(f"file-{number}")
program = os.open(__file__, os.O_RDONLY)
attempt(fcntl.fcntl, program, 1024, fcntl.F_RDLCK)  # F_SETLEASE: who writes it has to wait
attempt(fcntl.flock, program, fcntl.LOCK_EX)
held += [program, os.open(os.path.dirname(__file__), os.O_RDONLY), os.open(".", os.O_RDONLY), LIBC.inotify_init()]
LIBC.inotify_add_watch(held[-1], os.path.dirname(__file__).encode(), 0xFFF)
listener = attempt(socket.socket, socket.AF_UNIX, socket.SOCK_STREAM)
if listener is not None:
    attempt(listener.bind, NAME)
    attempt(listener.listen, 8)
    held.append(listener.fileno())
pairs = attempt(lambda: [socket.socketpair() for _ in range(4)]) or []
for number, (one, other) in enumerate(pairs):
    # each pair is sent into the next one, the last into the first: a ring that only the kernel's collector undoes
    target = pairs[(number + 1) % len(pairs)][0]
    attempt(socket.send_fds, target, [b"x"], [one.fileno(), other.fileno(), *held])

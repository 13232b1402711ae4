"""Sets every property of the descriptors that it was given, for whoever shares them: not to block, smaller, locked, leased, owned; and
leaves its pipes full, and taken by a process that goes on.
"""

import fcntl
import os
import struct

import targets
from kit import honest as solve  # noqa: F401
from wirework import sink, source

LOCK = struct.pack("hhqqi", fcntl.F_WRLCK, 0, 0, 0, 0)


def each(act, *arguments):
    try:
        act(*arguments)
    except (OSError, ValueError):
        pass


program = [os.open(f"{os.path.dirname(__file__)}/{name}", os.O_RDONLY) for name in os.listdir(os.path.dirname(__file__))]
for number in (0, 1, 2, source(), sink(), *program):
    flags = fcntl.fcntl(number, fcntl.F_GETFL)
    for change in (os.O_ASYNC, os.O_APPEND, os.O_NOATIME, os.O_DIRECT if number not in (source(), sink()) else 0):
        each(fcntl.fcntl, number, fcntl.F_SETFL, flags | change)
        each(fcntl.fcntl, number, fcntl.F_SETFL, flags)
    each(fcntl.fcntl, number, 1031, 4096)  # F_SETPIPE_SZ
    each(fcntl.fcntl, number, 1024, fcntl.F_RDLCK)  # F_SETLEASE: who writes the file then has to wait
    each(fcntl.flock, number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    each(fcntl.fcntl, number, 37, LOCK)  # F_OFD_SETLK
    each(fcntl.fcntl, number, 1026, 0x8000003F)  # F_NOTIFY
    each(fcntl.fcntl, number, 1036, struct.pack("q", 5))  # F_SET_RW_HINT
if os.fork() == 0:
    try:
        while True:
            os.write(1, b"x" * 4096)
    except OSError:
        os._exit(0)

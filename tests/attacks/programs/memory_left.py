"""Takes memory that no process shows and leaves it to be given back: kernel memory of pipes, sockets, locks, names, watches and page
tables, full scratch folders; the next candidate would have to do with what is left.
"""

import fcntl
import mmap
import os
import socket
import struct

from kit import honest as solve, unconfined  # noqa: F401


def each(act, *arguments):
    try:
        return act(*arguments)
    except (OSError, ValueError):
        return None


def take():
    kept = []
    for _ in range(40):
        if pipe := each(os.pipe):
            os.set_blocking(pipe[1], False)
            each(fcntl.fcntl, pipe[1], 1031, 1 << 20)
            each(os.write, pipe[1], bytes(1 << 18))
        if pair := each(socket.socketpair):
            pair[0].setblocking(False)
            each(pair[0].send, bytes(1 << 17))
            kept.append(pair)
    with open("locks", "w") as file:
        for number in range(3000):
            each(fcntl.fcntl, file, fcntl.F_SETLK, struct.pack("hhqqi", fcntl.F_WRLCK, 0, 2 * number, 1, 0))
    block = mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    for offset in range(0, 1 << 30, 1 << 22):
        block[offset]  # a page table each, and no page
    for number in range(500):
        each(os.stat, f"{number}-" + "n" * 240)
    for place in () if unconfined() else (".", "/dev/shm"):
        try:
            with open(f"{place}/full", "wb") as file:
                for _ in range(10):
                    file.write(bytes(1 << 20))
        except OSError:
            pass
    return kept, block


kept = take()

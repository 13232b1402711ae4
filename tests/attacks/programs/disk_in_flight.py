"""Writes more than the scratch folder may hold into files that lie nowhere but in a message on its way between two sockets."""

import array
import os
import socket
import time

import targets
from kit import got, honest

pairs, size = [], 0
try:
    for number in range(4 * targets.SCRATCH >> 22):
        descriptor = os.open(f"file-{number}", os.O_CREAT | os.O_RDWR, 0o600)
        os.write(descriptor, bytes(4 << 20))
        pairs.append(socket.socketpair())
        pairs[-1][0].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))])
        os.unlink(f"file-{number}")
        size += os.fstat(descriptor).st_blocks * 512
        os.close(descriptor)
    time.sleep(0.4)
except OSError:
    size = 0
if size > 2 * targets.SCRATCH:
    got("disk", f"{size >> 20} MiB in files on their way")
solve = honest

"""Speaks to the judge in the zygote's words, on every descriptor there is or can be reached: that all is well, that it ended clean;
asks the zygote for another candidate, with descriptors.
"""

import os
import socket
import stat

import targets
from kit import got, honest as solve, unconfined  # noqa: F401
from wirework import sink, source

WORDS = b"ready 1\nend asked 0 0.000000 0 clean\n"
KNOWN = {0, 1, 2, source(), sink()}
for number in range(1024):
    try:
        kind = os.fstat(number).st_mode
    except OSError:
        continue
    if number not in KNOWN:
        if not unconfined() and not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
            got("descriptors", f"{number}: {os.readlink(f'/proc/self/fd/{number}')}")
        try:
            link = socket.socket(fileno=os.dup(number))
            socket.send_fds(link, [b"\0"], [0, 1, 2, 0, 1])
            got("descriptors", f"sent descriptors on {number}")
        except OSError:
            pass
for number in (source(), 0):
    for text in (WORDS, b"\0"):
        try:
            os.write(number, text)
        except OSError:
            pass
for number in (0, 1, 2, sink(), source()):
    try:
        os.write(os.open(f"/proc/self/fd/{number}", os.O_WRONLY | os.O_NONBLOCK), WORDS if number in (1, 2) else b"")
    except OSError:
        pass
print(WORDS.decode())

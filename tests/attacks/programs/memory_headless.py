"""Takes twice the memory that is allowed in processes whose first thread has ended: for such a one the kernel tells of no memory,
unless another of its threads is asked.
"""

import os
import threading
import time

import targets
from kit import LIBC, got, honest

EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
PARTS = 5
told, tell = os.pipe()


def hold():
    time.sleep(0.1)  # the first thread ends meanwhile
    block = bytearray(2 * targets.MEMORY // PARTS)
    block[::4096] = b"x" * len(block[::4096])
    os.write(tell, b"x")
    time.sleep(3)
    os._exit(0)


try:
    for _ in range(PARTS):
        if not os.fork():
            threading.Thread(target=hold).start()
            time.sleep(0.05)
            LIBC.syscall(EXIT, 0)
    size = sum(len(os.read(told, 1)) for _ in range(PARTS)) * 2 * targets.MEMORY // PARTS
    time.sleep(0.5)
    got("memory_of_children", f"{size >> 20} MiB in processes without a head")
except (OSError, MemoryError):
    pass
solve = honest

"""Takes twice the memory that is allowed as shared pages, and lets go of the mapping's pages though not of the mapping.

Such pages are in no process's account any more, and in no file system's either.
"""

import mmap
import os
import time

import targets
from kit import got, honest

SIZE = 4 << 20


def nameless():
    return mmap.mmap(-1, SIZE)


def zeros():
    return mmap.mmap(os.open("/dev/zero", os.O_RDWR), SIZE)


def read_only_zeros():
    return mmap.mmap(os.open("/dev/zero", os.O_RDONLY), SIZE, prot=mmap.PROT_READ)


def take(new):
    blocks = []
    while len(blocks) < 2 * targets.MEMORY // SIZE:
        block = new()
        if new is read_only_zeros:
            block[::4096]
        else:
            block[::4096] = bytes(SIZE >> 12)
        block.madvise(mmap.MADV_DONTNEED)  # out of this process's account, not out of memory
        blocks.append(block)
    time.sleep(0.1)
    return blocks


for new in (nameless, zeros, read_only_zeros):
    try:
        got("shared_memory", f"{len(take(new)) * SIZE >> 20} MiB of {new.__name__}, hidden")
    except (OSError, ValueError):
        continue
solve = honest

"""Takes three times the memory that is allowed as shared pages, and lets go of the mapping's pages though not of the mapping."""

import mmap
import os
import time

import targets
from kit import got, honest

SIZE = 4 << 20
taken = []
try:
    while len(taken) < 3 * targets.MEMORY // SIZE:
        block = mmap.mmap(-1, SIZE)
        for at in range(0, SIZE, 4096):
            block[at] = 1
        block.madvise(mmap.MADV_DONTNEED)  # out of this process's account, not out of memory
        taken.append(block)
except OSError:
    pass
time.sleep(0.1)
if len(taken) * SIZE > targets.MEMORY * 1.5 and all(block[0] for block in taken):
    got("shared_memory", f"{len(taken) * SIZE >> 20} MiB, hidden")
solve = honest

"""Takes three times the memory that is allowed, as plain bytes."""

import time

import targets
from kit import got, honest

blocks = []
try:
    while len(blocks) < 3 * targets.MEMORY >> 22:
        blocks.append(b"x" * (4 << 20))
except MemoryError:
    pass
time.sleep(0.1)
if len(blocks) << 22 > targets.MEMORY * 1.5:
    got("memory", f"{len(blocks) << 2} MiB")
solve = honest

"""Takes three times the memory that is allowed across children, each of which stays below it."""

import os
import time

import targets
from kit import got, honest

ready, say = os.pipe()
for _ in range(6):
    try:
        if os.fork() == 0:
            block = b"x" * (targets.MEMORY // 2)
            os.write(say, b"x")
            time.sleep(3)
            os._exit(len(block) & 1)
    except OSError:
        break
time.sleep(0.6)
os.set_blocking(ready, False)
try:
    count = len(os.read(ready, 6))
except BlockingIOError:
    count = 0
if count >= 4:
    got("memory_of_children", f"{count * targets.MEMORY // 2 >> 20} MiB")
solve = honest

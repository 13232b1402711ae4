"""Writes more than the scratch folder may hold into a folder so deep that its path is too long for any system call."""

import os
import time

import targets
from kit import got, honest

written = 0
try:
    for _ in range(20):
        os.mkdir("d" * 250)
        os.chdir("d" * 250)
    for number in range(4 * targets.SCRATCH >> 22):
        with open(f"file-{number}", "wb") as file:
            written += file.write(bytes(4 << 20))
    time.sleep(0.4)
except OSError:
    written = 0
if written > 2 * targets.SCRATCH:
    got("disk", f"{written >> 20} MiB under a path that is too long")
solve = honest

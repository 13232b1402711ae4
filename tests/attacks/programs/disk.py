"""Writes four times what the scratch folder may hold, in many small files and in large ones."""

import os
import time

import targets
from kit import got, honest

written = 0
try:
    for number in range(4 * targets.SCRATCH >> 20):
        with open(f"file-{number}", "wb") as file:
            written += file.write(os.urandom(1 << 20))
    time.sleep(0.4)
except OSError:
    written = 0
if written > 2 * targets.SCRATCH:
    got("disk", f"{written >> 20} MiB")
solve = honest

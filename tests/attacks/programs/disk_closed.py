"""Writes more than the scratch folder may hold into a folder that may be entered but not listed."""

import os
import time

import targets
from kit import got, honest

os.mkdir("closed", 0o300)
written = 0
try:
    for number in range(4 * targets.SCRATCH >> 22):
        with open(f"closed/file-{number}", "wb") as file:
            written += file.write(bytes(4 << 20))
    time.sleep(0.4)
except OSError:
    written = 0
if written > 2 * targets.SCRATCH:
    got("disk", f"{written >> 20} MiB in a folder that cannot be listed")
solve = honest

"""Writes more than the scratch folder may hold into files that have no name any more, but are still open."""

import os
import time

import targets
from kit import got, honest

files = []
try:
    for number in range(4 * targets.SCRATCH >> 22):
        descriptor = os.open(f"file-{number}", os.O_CREAT | os.O_RDWR, 0o600)
        os.unlink(f"file-{number}")
        files.append(descriptor)
        os.write(descriptor, bytes(4 << 20))
    time.sleep(0.4)
except OSError:
    files = []
size = sum(os.fstat(descriptor).st_blocks * 512 for descriptor in files)
if size > 2 * targets.SCRATCH:
    got("disk", f"{size >> 20} MiB in files without a name")
solve = honest

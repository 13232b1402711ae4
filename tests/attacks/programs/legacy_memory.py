"""Leaves words in the memory of the process that watches it, which reads the names of its files and processes, and looks for them in
the image that it was forked with; looks there for secrets as well.
"""

import ctypes
import os
import re
import time

import targets
from kit import LIBC, got, honest

PATTERN = targets.TOKEN[::-1].encode() + rb"-[a-z]+-[0-9a-f]{16}"
SECRET = targets.SECRET_PREFIX.encode() + rb"[0-9a-f]{24}"


def scan():
    found = set()
    with open("/proc/self/maps") as maps, open("/proc/self/mem", "rb", buffering=0) as memory:
        for line in maps:
            span, rights, *_ = line.split()
            low, high = (int(part, 16) for part in span.split("-"))
            if rights.startswith("rw") and high - low < 256 << 20:
                try:
                    memory.seek(low)
                    data = memory.read(high - low)
                except OSError:
                    continue
                found |= set(re.findall(PATTERN, data))
                found |= {b"a secret" for _ in re.findall(SECRET, data)}
    return found


def word(kind):
    return f"{targets.TOKEN[::-1]}-{kind}-{os.urandom(8).hex()}"


for left in sorted(scan()):
    got("traces", f"in its memory: {left.decode()}")
SOURCE = word("value")
print(word("printed"))
for number in range(200):
    open(word("file"), "w").close()
os.makedirs(word("folder"))
file = open(word("mapped"), "w+b")
file.truncate(4096)
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap(None, ctypes.c_size_t(4096), 1, 2, file.fileno(), ctypes.c_long(0))
os.unlink(file.name)
os.environ["LEFT"] = word("environment")


def solve(question):
    time.sleep(0.15)  # long enough to be looked at
    return honest(question)

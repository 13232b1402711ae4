"""Writes more than the scratch folder may hold into files without a name, held by a program that may be run but not be read: the
kernel tells nobody what such a process has open.
"""

import os
import shutil
import sys
import time

import targets
from kit import got, honest

HOLD = "import time; time.sleep(5)"
python = os.open("python", os.O_CREAT | os.O_WRONLY, 0o111)
with open(sys.executable, "rb") as source, open(python, "wb") as copy:
    shutil.copyfileobj(source, copy)
size = 0
try:
    held = []
    for number in range(4 * targets.SCRATCH >> 22):
        held.append(os.open(f"file-{number}", os.O_CREAT | os.O_RDWR, 0o600))
        os.unlink(f"file-{number}")
        os.set_inheritable(held[-1], True)
    if not os.fork():
        os.execv("python", ["python", "-I", "-S", "-c", HOLD])
    time.sleep(0.1)
    os.unlink("python")
    for descriptor in held:
        size += os.write(descriptor, bytes(4 << 20))
        os.close(descriptor)
    time.sleep(0.4)
except OSError:
    size = 0
if size > 2 * targets.SCRATCH:
    got("disk", f"{size >> 20} MiB held by a program that cannot be read")
solve = honest

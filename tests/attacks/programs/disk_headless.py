"""Writes more than the scratch folder may hold into files without a name, held by a process whose first thread has ended."""

import os
import threading
import time

import targets
from kit import LIBC, got, honest

EXIT = {"x86_64": 60, "aarch64": 93}[os.uname().machine]
told, tell = os.pipe()


def hold():
    held, size = [], 0
    try:
        for number in range(4 * targets.SCRATCH >> 22):
            held.append(os.open(f"file-{number}", os.O_CREAT | os.O_RDWR, 0o600))
            os.unlink(f"file-{number}")
            size += os.write(held[-1], bytes(4 << 20))
    except OSError:
        size = 0
    time.sleep(0.4)
    os.write(tell, size.to_bytes(8, "little"))
    time.sleep(2)
    os._exit(0)


try:
    if not os.fork():
        os.close(told)
        threading.Thread(target=hold).start()
        time.sleep(0.05)
        LIBC.syscall(EXIT, 0)
    os.close(tell)
    size = int.from_bytes(os.read(told, 8), "little")
except OSError:
    size = 0
if size > 2 * targets.SCRATCH:
    got("disk", f"{size >> 20} MiB held by a process without a head")
solve = honest

"""Takes three times the memory that is allowed where no process shows it: memory file systems, memory without a name, System V."""

import ctypes
import os
import time

import targets
from kit import LIBC, got, honest, syscall

CHUNK = bytes(4 << 20)
left = 3 * targets.MEMORY
for folder in ("/dev/shm", "/tmp", "/dev", "/run", "/", "/var/tmp"):
    if os.path.ismount(folder) and left > 0:
        number = 0
        try:
            while left > 0 and number < 64:
                with open(f"{folder}/{targets.TOKEN}-{number}", "wb", buffering=0) as file:
                    number += 1
                    for _ in range(2):
                        left -= file.write(CHUNK)
        except OSError:
            pass
for name, arguments in (("memfd_create", (b"x", 0)), ("memfd_secret", (0,))):
    try:
        descriptor = syscall(name, *arguments)
        while left > 0:
            left -= os.write(descriptor, CHUNK)
    except OSError:
        pass
time.sleep(0.1)
if left < 1.5 * targets.MEMORY:
    got("memory_in_files", f"{3 * targets.MEMORY - left >> 20} MiB")
for folder in ("/dev/shm", "/tmp", "/run", "/var/tmp"):
    for number in range(64):
        try:
            os.unlink(f"{folder}/{targets.TOKEN}-{number}")
        except OSError:
            break
solve = honest

"""Makes so many empty files that their names and heads take more memory than is allowed, though no file has a byte."""

import os
import time

import targets
from kit import got, honest

count = 0
wanted = 200_000
for folder in (os.getcwd(), "/dev/shm"):
    try:
        os.chdir(folder)
        for _ in range(wanted // 2):
            os.close(os.open(f"{targets.TOKEN}-{count}", os.O_CREAT | os.O_WRONLY, 0o600))
            count += 1
    except OSError:
        pass
if count == wanted:
    got("memory_in_files", f"{count} files, which take 200 MB of the kernel's memory")
if os.getcwd() == "/dev/shm" and not os.path.ismount("/proc/1/root"):
    for number in range(count):
        try:
            os.unlink(f"{targets.TOKEN}-{number}")
        except OSError:
            continue
solve = honest

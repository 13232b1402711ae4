"""Makes so many empty files that their names and heads take more memory than is allowed, though no file has a byte."""

import os
import time

import targets
from kit import got, honest

WANTED = 3 * targets.MEMORY // 2 >> 10
for child in range(4):
    if os.fork() == 0:
        os.mkdir(str(child))
        os.chdir(str(child))
        for number in range(WANTED // 4):
            os.close(os.open(f"{targets.TOKEN}-{number}", os.O_CREAT | os.O_WRONLY, 0o600))
        time.sleep(1)
        os._exit(0)
time.sleep(0.8)
count = sum(len(os.listdir(str(child))) for child in range(4))
if count >= WANTED:
    got("memory_in_files", f"{count} files, of about a KiB each in the kernel")
solve = honest

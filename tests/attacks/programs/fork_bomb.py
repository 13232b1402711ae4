"""Starts as many processes as it can (at most 400, which end by themselves)."""

import os
import time

import targets
from kit import got, honest

children = 0
for _ in range(400):
    try:
        if os.fork() == 0:
            time.sleep(3)
            os._exit(0)
    except OSError:
        break
    children += 1
time.sleep(0.1)
if children >= targets.PROCESSES:
    got("processes", f"{children} processes")
solve = honest

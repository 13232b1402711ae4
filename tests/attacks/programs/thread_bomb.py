"""Starts as many threads as it can (at most 400, which end by themselves)."""

import threading
import time

import targets
from kit import got, honest

threading.stack_size(65536)
for _ in range(400):
    try:
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
    except RuntimeError:
        break
time.sleep(0.1)
if threading.active_count() > targets.PROCESSES:
    got("processes", f"{threading.active_count()} threads")
solve = honest

"""Leaves another program running, with a name of its own, and then dies of a signal."""

import os
import shutil
import time

import targets

sleep = shutil.which("sleep")


def solve(question):
    for _ in range(3):
        if os.fork() == 0:
            try:
                os.setsid()
            except OSError:
                pass
            os.execv(sleep, [sleep, "20"])
    time.sleep(0.05)
    os.kill(os.getpid(), 11)

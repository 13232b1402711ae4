"""Leaves a daemon and kills the process that would clean up after it."""

import os
import signal
import time

from kit import honest


def solve(question):
    if os.fork() == 0:
        try:
            os.setsid()
        except OSError:
            pass
        if os.fork() == 0:
            time.sleep(20)
        os._exit(0)
    os.wait()
    time.sleep(0.05)
    for pid in (os.getppid(), 1) if os.getppid() != 1 else (1,):
        if pid != 1 or os.getpid() < 10:  # the first process of a jail, never of the machine
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
    time.sleep(0.05)
    return honest(question)

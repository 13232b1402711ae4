"""Has as many processes as it may, all of which do nothing but have children when it is ended, so that one is born in the very moment
in which all are killed, and none can be had for the next candidate.
"""

import os
import signal
import time

import targets
from kit import LIBC, honest


def breed(end):
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    while time.monotonic() < end:
        try:
            if os.fork():
                os._exit(0)  # the child goes on
        except OSError:
            pass
    os._exit(0)


def solve(question):
    if question == 12:
        end = time.monotonic() + 3
        for _ in range(targets.PROCESSES - 4):
            try:
                if os.fork() == 0:
                    time.sleep(0.002)
                    breed(end)
            except OSError:
                break
    return honest(question)

"""Sleeps for ever with all signals blocked, in a process whose parent waits for it in turn."""

import os
import signal
import time


def solve(question):
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    if os.fork():
        os.wait()
    time.sleep(600)

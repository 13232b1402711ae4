"""Leaves a daemon: forked twice, out of its session if it can, deaf to signals, holding the output and the judge's pipe open."""

import os
import signal
import time

from kit import honest


def solve(question):
    if os.fork() == 0:
        for leave in (os.setsid, lambda: os.setpgid(0, 0)):
            try:
                leave()
            except OSError:
                pass
        if os.fork():
            os._exit(0)
        for number in set(signal.Signals) - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        time.sleep(20)
        os._exit(0)
    os.wait()
    return honest(question)

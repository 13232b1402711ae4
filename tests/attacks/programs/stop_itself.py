"""Stops itself by SIGSTOP, so that it neither answers nor ends."""

import os
import signal


def solve(question):
    os.kill(os.getpid(), signal.SIGSTOP)
    return 0

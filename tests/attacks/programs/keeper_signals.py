"""Sends the process that candidates are forked from every signal in every way: by number, group, descriptor, queue, owner, parent's
death, child's death, and floods it with those that it listens to.
"""

import ctypes
import fcntl
import os
import signal
import time

from kit import LIBC, got, honest

KEEPER = os.getppid()
CLONE_PARENT = 0x8000
CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
F_SETSIG = 10


def owned():
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGSTOP, signal.SIGCHLD, signal.SIGIO):
        read, write = os.pipe()
        os.set_blocking(read, False)
        fcntl.fcntl(read, fcntl.F_SETOWN, KEEPER)
        fcntl.fcntl(read, F_SETSIG, number)
        fcntl.fcntl(read, fcntl.F_SETFL, fcntl.fcntl(read, fcntl.F_GETFL) | os.O_ASYNC)
        os.write(write, b"x")


def born(number):
    """Have a child whose death is told to our own parent, by any signal."""
    if LIBC.syscall(CLONE, CLONE_PARENT | number, 0, 0, 0, 0) == 0:
        LIBC._exit(0)


def each(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        pass


def solve(question):
    if question < 1000:
        return honest(question)
    for number in (*range(1, 65), signal.SIGSTOP, signal.SIGTSTP, signal.SIGKILL):
        each(os.kill, KEEPER, number)
        each(lambda: signal.pidfd_send_signal(os.pidfd_open(KEEPER), number))
        LIBC.sigqueue(KEEPER, number, ctypes.c_void_p(1))
        if number < 32:
            born(number)
    if os.getpgid(KEEPER) != os.getpgrp() and os.getpid() < 10:
        each(os.killpg, os.getpgid(KEEPER), signal.SIGKILL)
    each(owned)
    end = time.monotonic() + 0.1
    while time.monotonic() < end:
        each(os.kill, KEEPER, signal.SIGCHLD)
        born(signal.SIGCHLD)
    if os.getppid() != KEEPER:
        got("kill_parent", "it is dead")
    return honest(question)

"""Has children that are not its own: born as its parent's, with no signal or another one for their end, in groups, in sessions, in a
birth that does not end (vfork), under a reaper of its own, stopped, and dead without being buried.
"""

import os
import signal
import time

import targets
from kit import LIBC, honest

CLONE = {"x86_64": 56, "aarch64": 220}[os.uname().machine]
PARENT, VFORK, VM, FILES, FS = 0x8000, 0x4000, 0x100, 0x400, 0x200
SUBREAPER, DEATH_SIGNAL, IGNORE = 36, 1, (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def born(flags):
    return LIBC.syscall(CLONE, flags, 0, 0, 0, 0)


def stay(seconds=15):
    for number in IGNORE:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    time.sleep(seconds)
    os._exit(0)


def each(act, *arguments):
    try:
        act(*arguments)
    except OSError:
        pass


def solve(question):
    if question != 3:
        return honest(question)
    for flags in (PARENT | signal.SIGCHLD, PARENT, PARENT | signal.SIGKILL, FILES | FS, signal.SIGUSR1):
        if born(flags) == 0:
            if born(PARENT) == 0:
                stay()
            stay()
    if os.fork() == 0:  # a reaper between us and the keeper
        LIBC.prctl(SUBREAPER, 1, 0, 0, 0)
        LIBC.prctl(DEATH_SIGNAL, 0, 0, 0, 0)
        if os.fork() == 0:
            each(os.setsid)
            if os.fork() == 0:
                each(os.setpgid, 0, 0)
                stay()
            os._exit(0)
        stay()
    if os.fork() == 0:
        os.kill(os.getpid(), signal.SIGSTOP)
        stay()
    if os.fork() == 0:  # the child of a birth that does not end: its parent waits in the kernel
        if LIBC.vfork() == 0:
            LIBC.usleep(15_000_000)
            LIBC._exit(0)
        os._exit(0)
    for _ in range(targets.PROCESSES // 4):
        if os.fork() == 0:
            os._exit(0)
    return honest(question)

"""Kills, stops and slows down the process that watches it, with every signal there is."""

import os
import resource
import time

from kit import attempt, honest as solve  # noqa: F401

KEEPER = os.getppid()
attempt("kill_parent", "made it idle", os.sched_setscheduler, KEEPER, os.SCHED_IDLE, os.sched_param(0))
attempt("kill_parent", "slowed it down", os.setpriority, os.PRIO_PROCESS, KEEPER, 19)
attempt("kill_parent", "moved it", os.sched_setaffinity, KEEPER, {0})
attempt("kill_parent", "limited it", resource.prlimit, KEEPER, resource.RLIMIT_CORE, (0, 0))
for number in (19, 20, 15, 2, 1, 17, 10, 12, 34, 64, 11, 6, 9):
    try:
        os.kill(KEEPER, number)
    except OSError:
        pass
time.sleep(0.1)
if os.getppid() != KEEPER:
    os.write(1, b"\nGOT kill_parent: it is dead\n")

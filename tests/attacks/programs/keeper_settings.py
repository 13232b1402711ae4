"""Changes what the process that candidates are forked from would hand down: limits, priorities, processors, scheduling, its score
for the killer, its name, its timer slack, its dumps, its groups.
"""

import os
import resource

from kit import LIBC, attempt, honest as solve, libc, syscall, unconfined  # noqa: F401

KEEPER = os.getppid()
for name in ("NOFILE", "NPROC", "CORE", "DATA", "STACK", "FSIZE", "SIGPENDING"):
    attempt("kill_parent", f"limited its {name}", resource.prlimit, KEEPER, getattr(resource, f"RLIMIT_{name}"), (0, 0))
attempt("kill_parent", "slowed it down", os.setpriority, os.PRIO_PROCESS, KEEPER, 19)
attempt("kill_parent", "its disk access", syscall, "ioprio_set", 1, KEEPER, 3 << 13)
attempt("kill_parent", "moved it", os.sched_setaffinity, KEEPER, {0})
for policy in (os.SCHED_IDLE, os.SCHED_BATCH):
    attempt("kill_parent", f"policy {policy}", os.sched_setscheduler, KEEPER, policy, os.sched_param(0))
attempt("kill_parent", "joined its group", os.setpgid, 0, KEEPER)
if not unconfined():
    attempt("kill_parent", "its group's disk access", syscall, "ioprio_set", 2, os.getpgid(KEEPER), 3 << 13)
    attempt("kill_parent", "slowed its group down", os.setpriority, os.PRIO_PGRP, os.getpgid(KEEPER), 19)
    for name, value in (
        *(("oom_score_adj", "1000"), ("timerslack_ns", "1000000000"), ("coredump_filter", "7f"), ("comm", "spoilt")),
        *(("clear_refs", "1"), ("autogroup", "19"), ("loginuid", "0"), ("uid_map", "0 0 1"), ("setgroups", "deny")),
        *((f"task/{KEEPER}/comm", "spoilt"), ("timens_offsets", "monotonic 1 0"), ("make-it-fail", "1"), ("cwd/x", "x")),
    ):
        def write(place=f"/proc/{KEEPER}/{name}", value=value):
            with open(place, "w") as file:
                return file.write(value)

        attempt("kill_parent", f"set its {name}", write)

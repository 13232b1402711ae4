"""Ends, stops, slows down and limits processes outside: one that it knows, its parents, all of its user's, all."""

import fcntl
import os
import resource
import signal
import socket

import targets
from kit import attempt, honest as solve, syscall, unconfined  # noqa: F401

VICTIM = targets.VICTIM


def owner():
    one, _ = socket.socketpair()
    fcntl.fcntl(one, fcntl.F_SETOWN, VICTIM)
    fcntl.fcntl(one, 10, signal.SIGTERM)  # F_SETSIG


attempt("signal_outside", "can signal the victim", os.kill, VICTIM, 0)
attempt("signal_outside", "can signal the victim as a group", os.killpg, VICTIM, 0)
attempt("signal_outside", "can signal the driver", os.kill, targets.DRIVER, 0)
attempt("signal_outside", "can signal by descriptor", lambda: signal.pidfd_send_signal(syscall("pidfd_open", VICTIM, 0), 0))
attempt("signal_outside", "will signal by a socket", owner)
attempt("signal_outside", "limited the victim", resource.prlimit, VICTIM, resource.RLIMIT_NOFILE, (64, 64))
attempt("signal_outside", "slowed the victim down", os.setpriority, os.PRIO_PROCESS, VICTIM, 19)
attempt("signal_outside", "moved the victim to one processor", os.sched_setaffinity, VICTIM, {0})
attempt("signal_outside", "made the victim idle", os.sched_setscheduler, VICTIM, os.SCHED_IDLE, os.sched_param(0))
attempt("signal_outside", "the victim's disk access", syscall, "ioprio_set", 1, VICTIM, 3 << 13)


def all_of_user():
    os.setpriority(os.PRIO_USER, 0, os.getpriority(os.PRIO_PROCESS, 0) + 1)


def disk_of_user():
    syscall("ioprio_set", 3, 0, (2 << 13) | 5)


def everybody():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(-1, signal.SIGTERM)


if unconfined():
    os.kill(VICTIM, signal.SIGSTOP)
else:  # only who cannot get at the victim may aim at everybody; the arena sees whom it hit
    for function in (all_of_user, disk_of_user, everybody):
        try:
            function()
        except OSError:
            pass

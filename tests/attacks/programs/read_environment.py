"""Looks for the secret in environments: its own, its parent's, the first process's, everybody's."""

import os

import targets
from kit import got, honest as solve, pids  # noqa: F401

SECRET = targets.SECRET_PREFIX

if SECRET in str(dict(os.environ)):
    got("environment", "inherited")
for pid in ["self", "thread-self", *pids()]:
    for path in (f"/proc/{pid}/environ", f"/proc/{pid}/task/{pid}/environ"):
        try:
            with open(path, "rb") as file:
                if SECRET.encode() in file.read():
                    got("environment", f"read in {path}")
        except OSError:
            pass
for path in ("/proc/1/cmdline", "/proc/cmdline"):
    try:
        with open(path, "rb") as file:
            if SECRET.encode() in file.read():
                got("environment", f"read in {path}")
    except OSError:
        pass

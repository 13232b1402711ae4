"""Reads what people keep in their home folders, and what the system keeps for root."""

import os

import targets
from kit import attempt, honest as solve, read  # noqa: F401

for name in (".ssh/id_ed25519", ".netrc", ".env"):
    attempt("read_outside", f"{name} of the home folder", read, f"{targets.HOME}/{name}")
for path in ("/etc/shadow", "/etc/ssh/ssh_host_ed25519_key", "/root/.bashrc", "/proc/kcore", "/dev/mem", "/dev/vda", "/dev/sda"):
    if attempt("read_outside", path, os.open, path, os.O_RDONLY) is not None:
        break
for folder in (targets.HOME, targets.OUTSIDE, targets.TASK, "/var/log", "/etc/ssl/private"):
    attempt("read_outside", f"{folder} listed", os.listdir, folder)

"""Leaves modules in the folders above its packages, which lie below scratch where the packages do, moves and shuts those folders,
and hides bits in their modes and times: for its own next run, and so that the next candidate finds no packages.
"""

import os
import sys

import targets
from kit import got, honest as solve, unconfined  # noqa: F401

MODULE = f"{targets.TOKEN}_left"
SITES = [path for path in sys.path if "-packages" in path or "/site-" in path]
try:
    __import__(MODULE)
    got("traces", "imported what it left")
except ImportError:
    pass


def above(path):
    while len(path) > 1:
        yield path
        path = os.path.dirname(path)


def look(folder):
    info = os.stat(folder)
    if info.st_mtime_ns == 123456789 or info.st_atime_ns == 123456789:
        got("traces", f"found its times on {folder}")
    if info.st_mode & 0o7000 == 0o3000:
        got("traces", f"found its mode on {folder}")


def spoil(folder):
    for act in (
        lambda: open(f"{folder}/{MODULE}.py", "w").close(),
        lambda: os.utime(folder, ns=(123456789, 123456789)),
        lambda: os.chmod(folder, 0o3700),
        lambda: os.rename(folder, folder + targets.TOKEN),
    ):
        try:
            act()
        except OSError:
            pass


if not unconfined():
    folders = list(dict.fromkeys(folder for site in SITES for folder in above(site)))
    for folder in folders:
        look(folder)
    for folder in folders:
        spoil(folder)

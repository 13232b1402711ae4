"""Leaves files of every kind, mode and depth where the next candidate's modules, temporary files, start-up files and sockets would be,
and as many as may be: modules by common names, pipes that block who opens them, links to and around everything.
"""

import os
import socket
import stat
import sys

import targets
from kit import got, honest as solve, unconfined  # noqa: F401

PLACES = ["."] if unconfined() else list(dict.fromkeys([".", "/tmp", "/dev/shm", os.environ["HOME"], *sys.path, "/program"]))
NAMES = ("json.py", "numpy.py", "subprocess.py", "sitecustomize.py", "usercustomize.py", "left.pth", "wire.py", "harness.py", "initial.pyc")
FORCE = f"{targets.TOKEN} left"
INSIDE = os.path.isdir("/program")


def each(act, *arguments, **options):
    try:
        return act(*arguments, **options)
    except OSError:
        return None


for place in PLACES:
    for name in each(os.listdir, place) or ():
        if FORCE in name or name == "left.pth":
            got("traces", f"{name} in {place}")


def write(path):
    with open(path, "x") as file:
        file.write("raise SystemExit('left')")


def fill(place):
    for name in NAMES:
        each(write, f"{place}/{name}")
    each(os.makedirs, f"{place}/__pycache__")
    each(write, f"{place}/__pycache__/initial.cpython-311.pyc")
    each(os.makedirs, f"{place}/.local/lib/python3.11/site-packages")
    each(os.mkfifo, f"{place}/{FORCE} pipe")
    each(os.mknod, f"{place}/{FORCE} socket", 0o600 | stat.S_IFSOCK)
    each(os.mknod, f"{place}/{FORCE} disk", 0o600 | stat.S_IFBLK, os.makedev(8, 0))
    for number, target in enumerate(("/", "..", "loop", "/proc/self/fd/0", "/proc/1/root", __file__, "/dev/full")):
        each(os.symlink, target, f"{place}/{FORCE} {number}")
    each(os.link, __file__, f"{place}/{FORCE} source")
    each(os.link, sys.executable, f"{place}/{FORCE} python")
    each(os.mkdir, f"{place}/{FORCE} shut")
    each(write, f"{place}/{FORCE} shut/file")
    each(os.chmod, f"{place}/{FORCE} shut", 0 if INSIDE else 0o700)  # elsewhere this as well, see disk_closed
    each(os.mkdir, f"{place}/{FORCE} \udcff\n(deleted)", 0o111 if INSIDE else 0o700)
    bound = each(socket.socket, socket.AF_UNIX)
    if bound:
        each(bound.bind, f"{place}/{targets.TOKEN}-bound")


here = os.getcwd()
for _ in range(300 if INSIDE else 15):  # elsewhere a folder too deep to be named is the end, see disk_deep
    if each(os.mkdir, "d" * 200) is None and not os.path.isdir("d" * 200):
        break
    os.chdir("d" * 200)
os.chdir(here)
for place in PLACES:
    fill(place)
for number in range(1000):
    descriptor = each(os.open, f"{FORCE} many {number}", os.O_CREAT, 0)
    if descriptor is None:
        break
    os.close(descriptor)

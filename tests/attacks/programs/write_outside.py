"""Writes, creates, empties, renames and relabels files outside its scratch folder, directly and by detours."""

import os
import shutil

import targets
from kit import attempt, honest as solve, unconfined  # noqa: F401

CANARY = f"{targets.OUTSIDE}/canary.txt"
HERE = os.getcwd()


def write(path):
    os.close(os.open(path, os.O_WRONLY | os.O_APPEND))


def create(folder):
    path = f"{folder}/{targets.TOKEN}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)
    return path


def by_link():
    os.symlink(targets.OUTSIDE, "out")
    return create("out")


def by_dangling_link():
    os.symlink(f"{targets.OUTSIDE}/{targets.TOKEN}-dangling", "dangling")
    with open("dangling", "w") as file:
        file.write("x")


def by_descriptor():
    descriptor = os.open(CANARY, os.O_RDONLY)
    write(f"/proc/self/fd/{descriptor}")


def by_rename():
    with open("mine", "w") as file:
        file.write("x")
    os.rename("mine", f"{targets.OUTSIDE}/{targets.TOKEN}-renamed")


def by_hard_link():
    with open("mine", "w") as file:
        file.write("x")
    os.link("mine", f"{targets.OUTSIDE}/{targets.TOKEN}-linked")


attempt("write_outside", "opened the canary for writing", write, CANARY)
attempt("write_outside", "through /proc/self/root", write, f"/proc/self/root{CANARY}")
attempt("write_outside", "through a descriptor", by_descriptor)
attempt("write_outside", "emptied", lambda: os.close(os.open(CANARY, os.O_RDONLY | os.O_TRUNC)))
attempt("write_outside", "cut", os.truncate, CANARY, 0)
attempt("write_outside", "changed its mode", os.chmod, CANARY, 0o600)
attempt("write_outside", "changed its times", os.utime, CANARY, (1, 1))
attempt("write_outside", "changed its attributes", lambda: os.setxattr(CANARY, "user.x", b"x"))
attempt("write_outside", "renamed it", os.rename, CANARY, CANARY + ".moved")
attempt("write_outside", "removed it", os.unlink, CANARY)
attempt("write_outside", "by a link", by_link)
attempt("write_outside", "by a dangling link", by_dangling_link)
attempt("write_outside", "by renaming", by_rename)
attempt("write_outside", "by a hard link", by_hard_link)
FOLDERS = [targets.OUTSIDE, targets.TASK, targets.HOME, os.path.dirname(__file__), HERE + "/.."]
if not unconfined():
    LIBRARY = os.path.dirname(os.__file__)
    FOLDERS += [targets.EVOLVE, *targets.SITES, LIBRARY, f"{LIBRARY}/__pycache__", "/", "/etc", "/usr/lib", "/var/tmp", "/run"]
    FOLDERS = [folder for folder in FOLDERS if not folder.startswith(HERE + "/") or folder.endswith("..")]  # its own
for folder in FOLDERS:
    attempt("write_outside", "created", create, folder)
for path in (__file__, os.__file__, f"{targets.EVOLVE}/errors.py", f"{targets.TASK}/evaluate.py"):
    attempt("write_outside", f"opened {path} for writing", write, path)
for folder in ("/tmp", "/dev/shm", "/dev/mqueue"):  # its own where it has a file system of its own: the arena looks
    try:
        shutil.copyfile("/dev/null", f"{folder}/{targets.TOKEN}-left")
    except OSError:
        pass
attempt("write_outside", "wrote a setting of the kernel's", write, "/proc/sys/kernel/core_pattern")
attempt("write_outside", "wrote a setting of the kernel's", write, "/proc/sysrq-trigger")
attempt("write_outside", "wrote to the control groups", write, "/sys/fs/cgroup/memory/cgroup.procs")

"""Leaves bits for its next run on the scratch folders themselves: times, modes, flags, extended attributes, access lists."""

import ctypes
import fcntl
import os
import struct

from kit import got, honest as solve, unconfined  # noqa: F401

STAMP = 987654321
GET_FLAGS, SET_FLAGS, NO_DUMP, NO_TIME = 0x80086601, 0x40086602, 0x40, 0x80
FOLDERS = [] if unconfined() else ["/tmp", "/dev/shm", os.environ["HOME"], "/program", os.path.dirname(__file__)]
ACL = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in ((1, 7, -1 & 0xFFFFFFFF), (4, 7, 0xFFFFFFFF), (32, 7, 0xFFFFFFFF)))


def flags(folder, change=0):
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        value = ctypes.c_int()
        fcntl.ioctl(descriptor, GET_FLAGS, value)
        if change:
            fcntl.ioctl(descriptor, SET_FLAGS, ctypes.c_int(value.value | change))
        return value.value
    finally:
        os.close(descriptor)


def look(folder):
    info = os.stat(folder)
    if STAMP in (info.st_mtime_ns, info.st_atime_ns):
        got("traces", f"found its times on {folder}")
    if "user.left" in os.listxattr(folder):
        got("traces", f"found its attribute on {folder}")
    if info.st_mode & 0o7777 == 0o5777:
        got("traces", f"found its mode on {folder}")
    if flags(folder) & NO_DUMP:
        got("traces", f"found its flags on {folder}")


def spoil(folder, number):
    for index, act in enumerate((
        lambda: os.utime(folder, ns=(STAMP, STAMP)),
        lambda: flags(folder, NO_DUMP | NO_TIME),
        lambda: os.setxattr(folder, "user.left", b"x"),
        lambda: os.setxattr(folder, "system.posix_acl_default", ACL),
        lambda: os.chmod(folder, 0o5777),
    )):
        if index == number or number > 4:
            try:
                act()
            except OSError:
                pass


for folder in FOLDERS:
    try:
        look(folder)
    except OSError:
        pass
for folder in FOLDERS:
    for number in (0, 1):
        spoil(folder, number)

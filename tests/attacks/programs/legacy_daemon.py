"""Leaves processes that wait for the next candidate: listen where it can be reached, watch the folder in which its source will be,
hold descriptors of all folders, and leave what they find where the next run looks for it.
"""

import ctypes
import os
import socket
import time

import targets
from kit import LIBC, got, honest

NAME = f"\0{targets.TOKEN}-inside"
PLACES = [".", "/tmp", "/dev/shm", "/var/tmp", os.environ["HOME"]]
FOUND = f"{targets.TOKEN}-found"


def listable(place):
    try:
        return bool(os.listdir(place)) or True
    except OSError:
        return False


def ask(kind):
    with socket.socket(socket.AF_UNIX, kind) as connection:
        connection.settimeout(0.2)
        connection.connect(NAME + str(int(kind)))
        connection.send(b"x")
        return connection.recv(64)


def look():
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        try:
            ask(kind)
            got("daemon", "somebody answers inside")
        except OSError:
            pass
    for place in PLACES:
        try:
            found = [name for name in os.listdir(place) if FOUND in name]
        except OSError:
            continue
        if found:
            got("daemon", f"{found} in {place}")


def listen():
    sockets = []
    for kind in (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM):
        try:
            sockets.append(socket.socket(socket.AF_UNIX, kind))
            sockets[-1].bind(NAME + str(int(kind)))
            if kind != socket.SOCK_DGRAM:
                sockets[-1].listen(8)
        except OSError:
            pass
    return sockets


def spy():
    sockets = listen()
    folder = os.open(os.path.dirname(__file__), os.O_RDONLY)
    scratch = [os.open(place, os.O_RDONLY) for place in PLACES if listable(place)]
    notes = LIBC.inotify_init()
    LIBC.inotify_add_watch(notes, os.path.dirname(__file__).encode(), ctypes.c_uint(0xFFF))
    source = open(f"/proc/self/fd/{folder}/initial.py").read() if os.path.exists(f"/proc/self/fd/{folder}/initial.py") else ""
    end = time.monotonic() + 5
    while time.monotonic() < end:
        for one in sockets:
            one.setblocking(False)
            try:
                one.accept()[0].send(b"here")
            except OSError:
                pass
        for place in scratch:
            try:
                now = open(f"/proc/self/fd/{folder}/initial.py").read()
                if now != source:
                    os.close(os.open(f"{FOUND}-source", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=place))
                os.close(os.open(f"{FOUND}-alive", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=place))
                os.unlink(f"{FOUND}-alive", dir_fd=place)
            except OSError:
                pass
        for number in range(2, 64):
            if number != os.getpid() and os.getpid() < 1000:
                try:
                    text = open(f"/proc/{number}/environ", "rb").read()
                    os.close(os.open(f"{FOUND}-{len(text)}", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=scratch[0]))
                except OSError:
                    pass
        time.sleep(0.002)
    os._exit(0)


look()


def solve(question):
    if question == 3:
        for _ in range(3):
            if os.fork() == 0:
                try:
                    os.setsid()
                except OSError:
                    pass
                if os.fork() == 0:
                    spy()
                os._exit(0)
    return honest(question)

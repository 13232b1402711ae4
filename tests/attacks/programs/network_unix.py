"""Reaches programs outside by Unix sockets: with a path, without one, and by a pair of its own turned into a sender of datagrams."""

import os
import socket

import targets
from kit import attempt, honest as solve, unconfined  # noqa: F401


def connect(address, kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_UNIX, kind) as connection:
        connection.connect(address)
        connection.send(b"stolen")


def by_pair(address):
    one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with one, other:
        one.sendto(b"stolen", address)


def reconnect(address, kind):
    one, other = socket.socketpair(socket.AF_UNIX, kind)
    with one, other:
        one.connect(address)
        one.send(b"stolen")


def by_link():
    os.symlink(targets.OUTSIDE, "folder")
    connect("folder/stream")


attempt("named_socket", "connected", connect, f"{targets.OUTSIDE}/stream")
attempt("named_socket", "connected by a link", by_link)
attempt("named_socket", "sent", connect, f"{targets.OUTSIDE}/datagram", socket.SOCK_DGRAM)
attempt("abstract_socket", "connected", connect, "\0" + targets.TOKEN)
for address in (f"{targets.OUTSIDE}/datagram", f"\0{targets.TOKEN}-datagram"):
    attempt("datagram_socket", "sent from a pair", by_pair, address)
    for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_STREAM):
        attempt("datagram_socket", "a pair connected anew", reconnect, address, kind)
for path in () if unconfined() else ("/dev/log", "/run/systemd/notify", "/run/dbus/system_bus_socket", "/var/run/docker.sock"):
    attempt("named_socket", f"opened {path}", connect, path)

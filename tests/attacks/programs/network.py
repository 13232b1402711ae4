"""Sends the secret it does not have over every kind of socket: TCP, UDP, ICMP, raw, packet, netlink, vsock, DNS, a listener."""

import socket

import targets
from kit import attempt, honest as solve  # noqa: F401


def tcp(host="127.0.0.1"):
    with socket.create_connection((host, targets.TCP), 0.2) as connection:
        connection.sendall(b"stolen")


def fast_open():
    with socket.socket() as connection:
        connection.sendto(b"stolen", 0x20000000, ("127.0.0.1", targets.TCP))


def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"stolen", ("127.0.0.1", targets.UDP))


def udp6():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"stolen", ("::ffff:127.0.0.1", targets.UDP))


def listen():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


attempt("tcp", "connected", tcp)
attempt("tcp", "connected by fast open", fast_open)
attempt("tcp", "listens", listen)
attempt("udp", "sent", udp)
attempt("udp", "sent over version 6", udp6)
for name, family, kind, protocol in (
    ("inet", socket.AF_INET, socket.SOCK_STREAM, 0),
    ("ping", socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP),
    ("raw", socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP),
    ("packet", 17, socket.SOCK_RAW, 0x0300),
    ("vsock", 40, socket.SOCK_STREAM, 0),
    ("crypto", 38, socket.SOCK_SEQPACKET, 0),
    ("bluetooth", 31, socket.SOCK_RAW, 1),
    ("multipath", socket.AF_INET, socket.SOCK_STREAM, 262),
):
    attempt("tcp" if name == "inet" else "udp", f"a socket of family {name}", lambda: socket.socket(family, kind, protocol).close())
for protocol in (0, 4, 9, 15, 16):
    attempt("netlink", f"netlink {protocol}", lambda: socket.socket(16, socket.SOCK_RAW, protocol).close())

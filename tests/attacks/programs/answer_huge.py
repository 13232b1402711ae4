"""Announces a reply of four exabytes and begins to send it."""

import os

from wirework import sink


def solve(question):
    out = sink()
    os.write(out, (1 << 62).to_bytes(8, "little"))
    while True:
        os.write(out, bytes(1 << 16))

"""Looks for descriptors that were left open by mistake, and opens those of its pipes the other way round."""

import os

from kit import got, honest as solve  # noqa: F401
from wirework import sink, source

OWN = {0, 1, 2, sink(), source()}
for number in range(1024):
    try:
        info = os.fstat(number)
    except OSError:
        continue
    if number not in OWN:
        got("descriptors", f"{number} is open: {os.readlink(f'/proc/self/fd/{number}')}, mode {info.st_mode:o}")

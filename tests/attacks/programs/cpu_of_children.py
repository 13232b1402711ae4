"""Burns processor time in children while it answers as if nothing were going on."""

import os

from kit import honest

for _ in range(4):
    if os.fork() == 0:
        while True:
            pass
solve = honest

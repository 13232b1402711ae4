"""No attack: what is judged after each of them. It answers what can be known, and tells if an attack left it something to find."""

import os
import sys

import targets
from kit import attempt, got, honest, libc, read, syscall


def look():
    for folder in (".", "/tmp", "/var/tmp", "/dev/shm", os.environ["HOME"]):
        try:
            found = [name for name in os.listdir(folder) if targets.TOKEN in name]
        except OSError:
            continue
        if found:
            got("traces", f"{found} in {folder}")
    ours = {part for path in sys.path for part in path.split("/")}  # packages may be shown below the scratch folder
    if set(os.listdir(".")) - ours:
        got("traces", f"{os.listdir('.')} in scratch")
    attempt("traces", "shared memory of System V", libc, "shmget", targets.KEY, 0, 0)
    attempt("traces", "a queue of System V", libc, "msgget", targets.KEY, 0)
    attempt("traces", "a key in the user's keyring", syscall, "keyctl", 10, -4, b"user", targets.TOKEN.encode(), 0)


look()
if "numpy" in sys.modules:  # in a warm jail; what numpy imports when it is used must still be there
    import numpy.fft  # noqa: F401
solve = honest

"""With what a candidate's own random numbers begin: always the same on one seed, and nothing from which the seed could be had.

What a task draws from the evaluation's seed, such as wrong labels or the order of batches, its evaluate.py does in public: who
knew the seed could draw it again. So the jail is told a number made of the seed and of a secret of this user's account.
"""

from __future__ import annotations

import hmac
import os
import secrets
from contextlib import suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

LENGTH = 32
"""Bytes of the secret."""
MACHINE = Path("/etc/machine-id")
"""What stands for the secret where none can be kept: it is no secret, but no jail shows it."""


def place() -> Path:
    """Return where the secret is kept: ``evolve/chance`` in $XDG_STATE_HOME, or in ~/.local/state."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "evolve" / "chance"


def veiled(seed: int) -> int:
    """Return the 63 bits that stand for an evaluation's seed in the jail."""
    return int.from_bytes(hmac.digest(_secret(place()), str(seed).encode(), "sha256")[:8], "big") >> 1


@cache
def _secret(path: Path) -> bytes:
    """Return the secret; the first who asks makes it."""
    try:
        found = _read(path)
        if found is None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=path.parent) as folder:
                new = Path(folder) / "chance"
                new.touch(mode=0o600)
                new.write_bytes(secrets.token_bytes(LENGTH))
                with suppress(FileExistsError):  # another process was faster
                    os.link(new, path)
            found = _read(path)
    except OSError:
        found = None
    return found or (MACHINE.read_bytes() if MACHINE.is_file() else b"evolve")


def _read(path: Path) -> bytes | None:
    """Return what is kept at ``path``, if it is whole."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    return found if len(found) == LENGTH else None

"""Runs a command as a user without rights, from root, although the interpreter may lie in a folder closed to others.

In a mount namespace of its own, closed folders are covered by open ones that hold the interpreter, its packages and this checkout
alone; then the user is changed. ``in_docker`` takes away what Docker's default profile takes away: new namespaces and mounts, by
seccomp.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from evolve.jail import seccomp
from evolve.jail.syscalls import AUDIT_ARCH, NUMBERS
from evolve.jail.view import interpreter

NOBODY = 65534
_COVER = """
set -e
keep=$(mktemp -d /tmp/ordinary-XXXXXX)
mount -t tmpfs -o mode=0755,size=1m tmpfs "$keep"
while [ "$1" != -- ]; do mkdir -p "$keep$1"; mount --rbind "$1" "$keep$1"; shift; done; shift
while [ "$1" != -- ]; do mount -t tmpfs -o mode=0755,size=1m tmpfs "$1"; shift; done; shift
while [ "$1" != -- ]; do mkdir -p "$1"; mount --rbind "$keep$1" "$1"; shift; done; shift
umount -R -l "$keep"
rmdir "$keep"
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""
"""Arguments: folders to keep, closed folders to cover, the ones to keep again, the command; between them ``--``."""


def possible() -> bool:
    """Whether this process is root with the right to mount."""
    return os.geteuid() == 0 and os.system("unshare --mount true 2>/dev/null") == 0


def as_nobody(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` as user 65534, who can read the interpreter, its packages and this checkout."""
    closed: dict[str, None] = {}
    kept: dict[str, None] = {}
    for place in (interpreter().parent.parent, Path(__file__).resolve().parents[1], Path(sys.prefix)):
        shut = [str(folder) for folder in reversed(place.parents) if not folder.stat().st_mode & 0o001]
        if shut:
            closed[shut[0]] = kept[str(place)] = None
    private = ["unshare", "--mount", "--propagation", "private"]
    return [*private, "sh", "-c", _COVER, "sh", *kept, "--", *closed, "--", *kept, "--", *command]


def in_docker(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` as in Docker's default profile: no new namespaces, no mounts."""
    return [sys.executable, str(Path(__file__).resolve()), *command]


def _like_docker() -> bytes:
    denied = [
        seccomp.Rule(name)
        for name in ("unshare", "setns", "mount", "umount2", "pivot_root", "move_mount", "fsopen", "open_tree")
    ]
    denied += [seccomp.Rule("clone3", 38), seccomp.Rule("clone", 1, 0, 0, 0x7E020000, equal=False)]
    machine = seccomp.machine()
    assert machine
    return seccomp.assemble(denied, NUMBERS[machine], AUDIT_ARCH[machine])


if __name__ == "__main__":
    from evolve.jail import confine

    confine._prctl(confine._PR_SET_NO_NEW_PRIVS, 1, "no new privileges")
    confine._filter(_like_docker())
    os.execvp(sys.argv[1], sys.argv[1:])

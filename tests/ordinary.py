"""Runs a command as a user without rights, from root, although the interpreter may lie in a folder closed to others.

In a mount namespace of its own, the closed folder is covered by an open one that holds the interpreter alone; then the user is
changed. ``in_docker`` takes away what Docker's default profile takes away: new namespaces and mounts, by seccomp.
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
if [ -n "$1" ]; then
    keep=$(mktemp -d)
    mount --bind "$2" "$keep"
    mount -t tmpfs -o mode=0755,size=1m tmpfs "$1"
    mkdir -p "$2"
    mount --move "$keep" "$2"
    rmdir "$keep"
fi
shift 2
exec setpriv --reuid 65534 --regid 65534 --clear-groups "$@"
"""


def possible() -> bool:
    """Whether this process is root with the right to mount."""
    return os.geteuid() == 0 and os.system("unshare --mount true 2>/dev/null") == 0


def as_nobody(command: Sequence[str]) -> list[str]:
    """Return the command that runs ``command`` as user 65534."""
    prefix = interpreter().parent.parent
    closed = [folder for folder in reversed(prefix.parents) if not folder.stat().st_mode & 0o001]
    cover = str(closed[0]) if closed else ""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-c", _COVER, "sh", cover, str(prefix), *command]


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

"""How a process of the jail confines itself for good, between the zygote's fork and the first line of the runner.

Sent into the jail as bytecode (see `evolve.jail.launch`); stdlib only. What to do was decided outside: ``plan`` holds the user to
become, the limits, the Landlock paths and the seccomp program.
"""

from __future__ import annotations

import _socket
import ctypes
import os
import resource
import struct
import sys

TYPE_CHECKING = False  # what `typing` has; importing it would cost every jail 3 ms
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_KEEPCAPS, _PR_SET_SECCOMP, _PR_CAPBSET_DROP = 1, 4, 8, 22, 24
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH, _CAPABILITY_VERSION_3 = 1, 2, 0x20080522
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_READING = (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE)
"""Either lets a process read past mode bits; the first, which does no more, where it is at hand."""
_SIGKILL = 9

DESCRIPTORS = 5
"""What a candidate is sent: requests, replies, control, status, output."""
CLOSE_ON_EXEC = 0x40000000 if sys.platform == "linux" else 0
"""MSG_CMSG_CLOEXEC."""

LIBC = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def _prctl(option: int, argument: int, what: str) -> None:
    zero = ctypes.c_ulong(0)
    _check(LIBC.prctl(option, ctypes.c_ulong(argument), zero, zero, zero), what)


def receive(link: _socket.socket) -> list[int] | None:
    """Return the descriptors that the judge sent for one candidate, or None where it is gone."""
    size = struct.calcsize(f"{DESCRIPTORS}i")
    data, ancillary, _, _ = link.recvmsg(1, _socket.CMSG_SPACE(size), CLOSE_ON_EXEC)
    if not data:
        return None
    return [number for _, _, fds in ancillary for number in struct.unpack(f"{len(fds) // 4}i", fds)]


def keep(plan: Mapping[str, Any]) -> None:
    """Prepare the zygote: orphans of the jail become its children, and no candidate can look into it. Until `serve` it dies with
    its judge, of whose end it would not hear while it imports.
    """
    if plan["cpus"]:
        os.sched_setaffinity(0, plan["cpus"])
    if not plan["linux"]:
        return
    _prctl(_PR_SET_PDEATHSIG, _SIGKILL, "parent death signal")
    _prctl(_PR_SET_CHILD_SUBREAPER, 1, "subreaper")
    for capability in range(64) if plan["uid"] is not None else ():
        # No program that a candidate starts gets any but what it may keep; the zygote's own stay, as it starts none.
        if not (plan["keep_read"] and capability in _READING):
            LIBC.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0)
    close(plan, True)


def serve(plan: Mapping[str, Any]) -> None:
    """Let the zygote, which hears of its judge's end from now on, outlive it where that takes to end a candidate."""
    if plan["linux"] and not plan["pid_namespace"]:
        _prctl(_PR_SET_PDEATHSIG, 0, "parent death signal")


def close(plan: Mapping[str, Any], closed: bool) -> None:
    """Let no process look into this one, or let its user's again: a candidate's is open from its birth, so that one which is not
    has something to hide.
    """
    if plan["linux"] and plan["level"] != "none":
        _prctl(_PR_SET_DUMPABLE, not closed, "dumpable")


def look_as(plan: Mapping[str, Any], user: int) -> None:
    """Let the zygote open files as the candidate's user, who alone may clear what it made, and of whose memory the kernel
    tells nobody else; or as root again. Does nothing where there is no such user, or no such way.
    """
    if plan["uid"] is None or not plan["linux"]:
        return
    LIBC.setfsgid(user)
    LIBC.setfsuid(user)
    if plan["pid_namespace"]:  # a change of user takes back what bubblewrap had asked for
        _prctl(_PR_SET_PDEATHSIG, _SIGKILL, "parent death signal")


def confine(plan: Mapping[str, Any], fds: tuple[int, int], status: int, output: int) -> None:
    """Confine this process and all it will start, in the order in which each step still has the rights it needs.

    Says ``ready`` on ``status`` when all is in force and closes it: before that, no failure is the candidate's.

    Raises:
        OSError: if a layer that the plan names cannot be put in force.
    """
    os.setsid()
    zygote = os.getppid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    _close_all_but({0, 1, 2, status, *fds})
    ruleset = _ruleset(plan["landlock"]) if plan["landlock"] else None
    os.chdir(plan["scratch_folder"])
    if plan["uid"] is not None:
        _become(plan["uid"], plan["gid"], plan["keep_read"])
    if plan["linux"]:
        _prctl(_PR_SET_PDEATHSIG, _SIGKILL, "parent death signal")
        _prctl(_PR_SET_DUMPABLE, 1, "dumpable")
        if os.getppid() != zygote:
            os._exit(1)
        if plan["level"] != "none":
            _prctl(_PR_SET_NO_NEW_PRIVS, 1, "no new privileges")
            _prefer_as_victim()
    for name, limit in plan["rlimits"].items():
        _limit(name, limit)
    if ruleset is not None:
        _check(LIBC.syscall(_LANDLOCK_RESTRICT, ruleset, 0), "landlock_restrict_self")
        os.close(ruleset)
    if plan["seccomp"]:
        _filter(plan["seccomp"])
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.write(status, b"ready %d\n" % os.getpid())
    os.close(status)


def _close_all_but(wanted: set[int]) -> None:
    edges = [-1, *sorted(wanted), 1 << 20]
    for low, high in zip(edges, edges[1:], strict=False):  # noqa: RUF007 - itertools is not needed here otherwise
        if low + 1 < high:  # an empty range that starts at 0 would wrap around and close everything
            os.closerange(low + 1, high)


def _limit(name: str, limit: int) -> None:
    """Set a limit, or leave the lower one that is already there."""
    which = getattr(resource, name, None)
    if which is None:
        return
    hard = resource.getrlimit(which)[1]
    value = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    # One second between the CPU signal that says why and the kill that cannot be caught.
    upper = value + 1 if name == "RLIMIT_CPU" and (hard == resource.RLIM_INFINITY or value < hard) else value
    resource.setrlimit(which, (value, upper))


def _become(uid: int, gid: int, keep_read: bool) -> None:
    """Give up root for good; with ``keep_read`` all but the right to read past mode bits, which Landlock then bounds."""
    if keep_read:
        _prctl(_PR_SET_KEEPCAPS, 1, "keep capabilities")
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    if keep_read and not any(map(_keep_capability, _READING)):
        raise OSError("the interpreter's folder is closed to other users, and no capability to read it is at hand")


def _keep_capability(number: int) -> bool:
    """Keep one capability and no other, for programs that this process starts as well; return whether that was possible."""
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    data = struct.pack("=6I", *[1 << number] * 3, 0, 0, 0)
    if LIBC.capset(header, data) != 0:
        return False
    zero = ctypes.c_ulong(0)
    raised = LIBC.prctl(_PR_CAP_AMBIENT, ctypes.c_ulong(_PR_CAP_AMBIENT_RAISE), ctypes.c_ulong(number), zero, zero)
    return bool(raised == 0)


def _prefer_as_victim() -> None:
    """Tell the kernel to kill this process rather than the zygote when memory runs out."""
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")
    except OSError:
        pass


def _ruleset(rules: Mapping[str, Any]) -> int:
    """Return a Landlock ruleset: its paths are opened now, while this process may still reach them."""
    size, handled = rules["size"], rules["handled"]
    attributes = struct.pack("=QQQ", handled["fs"], handled["net"], handled["scope"])[:size]
    ruleset = _check(LIBC.syscall(_LANDLOCK_CREATE, attributes, ctypes.c_size_t(size), 0), "landlock_create_ruleset")
    for path, access in rules["paths"]:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        rule = struct.pack("=Qi", access, descriptor)
        _check(LIBC.syscall(_LANDLOCK_ADD, ruleset, 1, rule, 0), f"landlock_add_rule {path}")
        os.close(descriptor)
    return ruleset


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def _filter(code: bytes) -> None:
    """Load a seccomp program of 8-byte instructions."""
    program = _Program(len(code) // 8, code)
    result = LIBC.prctl(
        _PR_SET_SECCOMP,
        ctypes.c_ulong(_SECCOMP_MODE_FILTER),
        ctypes.byref(program),
        ctypes.c_ulong(0),
        ctypes.c_ulong(0),
    )
    _check(result, "seccomp")

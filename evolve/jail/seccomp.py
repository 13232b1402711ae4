"""Seccomp: a filter of system calls, assembled here as classic BPF, so that no library of the system's is needed.

It denies what no candidate needs and what the other layers leave open: sockets, calls on other processes, new namespaces, kernel
interfaces with a history, and memory that no process shows. Denied calls fail with an error; only a foreign architecture kills.
The numbers are of asm/unistd.h; the tests compare them with libseccomp's where it is installed.
"""

from __future__ import annotations

import platform
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from errno import EAFNOSUPPORT, ENOSYS, EPERM
from functools import cache

from evolve.jail.syscalls import AUDIT_ARCH, NUMBERS
from evolve.records import Level

_LOAD, _EQUAL, _AT_LEAST, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_X32 = 0x40000000
"""Set in the number of a call of the x32 ABI, which would slip past a comparison."""

_NAMESPACES = 0x7E020000
"""The CLONE_NEW* flags of ``clone``."""
_AF_UNIX, _SOCK_STREAM, _SOCK_TYPE = 1, 1, 0xF
_MAP_TYPE, _MAP_SHARED_ANONYMOUS, _MAP_ANONYMOUS = 0xF, 0x21, 0x20
_PRIO_PROCESS, _IOPRIO_WHO_PROCESS, _PR_SET_DUMPABLE = 0, 1, 4
_O_ACCMODE, _O_TRUNC = 0o3, 0o1000


@dataclass(frozen=True, slots=True)
class Rule:
    """Fail ``call`` with ``error``: always, or if ``argument`` (lower 32 bits, under ``mask``) equals ``value``, or does not."""

    call: str
    error: int = EPERM
    argument: int | None = None
    value: int = 0
    mask: int = 0xFFFFFFFF
    equal: bool = True


_KERNEL = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "kcmp", "pidfd_getfd", "process_mrelease"),
    *("mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("mount_setattr", "unshare", "setns", "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key"),
    *("io_uring_setup", "io_uring_enter", "io_uring_register", "kexec_load", "kexec_file_load", "init_module"),
    *("finit_module", "delete_module", "open_by_handle_at", "name_to_handle_at", "acct", "swapon", "swapoff", "reboot"),
    *(
        "settimeofday",
        "clock_settime",
        "adjtimex",
        "clock_adjtime",
        "quotactl",
        "quotactl_fd",
        "lookup_dcookie",
        "iopl",
    ),
    *("ioperm", "modify_ldt", "vhangup", "syslog", "sethostname", "setdomainname", "fanotify_init", "personality"),
    *("migrate_pages", "move_pages", "io_setup"),
)
_UNSEEN_MEMORY = ("memfd_create", "memfd_secret", "shmget", "msgget", "semget", "mq_open")
"""Memory that belongs to no process and no file system, so that a watchdog would not see it."""

_OTHERS = ("setsid", "setpgid")
"""Without these no process leaves the group that is killed as one."""

_BY_PID = ("prlimit64", "sched_setscheduler", "sched_setparam", "sched_setattr")
"""Calls on a process named by their first argument: only 0, oneself, is allowed."""
_BY_WHO = ("setpriority", "ioprio_set")
"""The same, by the second argument."""

_ATTRIBUTES = (
    *(
        "chmod",
        "fchmod",
        "fchmodat",
        "fchmodat2",
        "chown",
        "fchown",
        "lchown",
        "fchownat",
        "utime",
        "utimes",
        "futimesat",
    ),
    *("utimensat", "setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr", "setxattrat"),
    "removexattrat",
)
"""Landlock does not guard modes, owners and times, and a candidate that runs as the user could change the user's files."""

_FLAGS = (0x40046602, 0x40086602, 0x40047602, 0x40087602, 0x401C5820, 0x40806685, 0x800C6613)
"""Commands of ``ioctl`` that change what a file is, for which its owner needs no right to write it, so that neither Landlock nor
mode bits guard it: FS_IOC32_SETFLAGS, FS_IOC_SETFLAGS, their like for the version, FS_IOC_FSSETXATTR, FS_IOC_ENABLE_VERITY,
FS_IOC_SET_ENCRYPTION_POLICY (linux/fs.h, fsverity.h, fscrypt.h).
"""

_SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")


@cache
def rules(level: Level, abi: int, own_user: bool) -> tuple[Rule, ...]:
    """Return what is denied at ``level`` under Landlock ABI ``abi``; with ``own_user`` the candidate runs as the judge's user."""
    found = [Rule(name) for name in _KERNEL] + [Rule(name, ENOSYS) for name in _UNSEEN_MEMORY]
    found += [
        Rule("clone3", ENOSYS),  # its flags are behind a pointer; the C library then uses clone
        Rule("clone", EPERM, 0, 0, _NAMESPACES, equal=False),
        Rule("socketpair", EAFNOSUPPORT, 0, _AF_UNIX, equal=False),
        # TIOCSTI, TIOCLINUX: typing into a terminal.
        *(Rule("ioctl", EPERM, 1, command) for command in (0x5412, 0x541C)),
        *(Rule("ioctl", EPERM, 1, command) for command in _FLAGS),
        Rule("file_setattr"),
        Rule("sched_setaffinity"),  # a slot's processors are its own
    ]
    # Shared memory without a file stays when no process maps its pages any more, and so cannot be counted.
    found.append(Rule("mmap", EPERM, 3, _MAP_SHARED_ANONYMOUS, _MAP_TYPE | _MAP_ANONYMOUS))
    # By user they would reach every process of that user's, which may be the judge's.
    found += [Rule("setpriority", EPERM, 0, _PRIO_PROCESS, equal=False)]
    found += [Rule("ioprio_set", EPERM, 0, _IOPRIO_WHO_PROCESS, equal=False)]
    if level == "namespaces":
        # Number 1 is the zygote.
        found += [Rule(name, EPERM, 0, 1) for name in _BY_PID] + [Rule(name, EPERM, 1, 1) for name in _BY_WHO]
        return (*found, Rule("socket", EAFNOSUPPORT, 0, _AF_UNIX, equal=False))
    # On the host's file system a named socket of another program may be in reach, so no family is left.
    # A pair of datagrams could still send to one, and a message carry descriptors away from where files are counted.
    found += [Rule("socket", EAFNOSUPPORT), *map(Rule, _OTHERS), Rule("sendmsg"), Rule("sendmmsg")]
    found += [Rule("socketpair", EAFNOSUPPORT, 1, _SOCK_STREAM, _SOCK_TYPE, equal=False)]
    found += [Rule("inotify_add_watch"), Rule("prctl", EPERM, 0, _PR_SET_DUMPABLE)]
    found += [Rule(name, EPERM, 0, 0, equal=False) for name in _BY_PID] + [
        Rule(name, EPERM, 1, 0, equal=False) for name in _BY_WHO
    ]
    # F_SETOWN, F_SETSIG, F_SETOWN_EX: signals by descriptor.
    found += [Rule("fcntl", EPERM, 1, command) for command in (8, 10, 15)]
    found += [Rule("ioctl", EPERM, 1, command) for command in (0x8901, 0x8902)]  # FIOSETOWN, SIOCSPGRP
    if own_user:
        found += map(Rule, _ATTRIBUTES)
        if abi < 6:
            found += map(Rule, _SIGNALS)
    if abi < 3:
        found += [Rule("truncate"), Rule("openat2", ENOSYS), Rule("creat")]
        found += [Rule(name, EPERM, at, _O_TRUNC, _O_TRUNC | _O_ACCMODE) for name, at in (("open", 1), ("openat", 2))]
    return tuple(found)


def machine() -> str | None:
    """Return the architecture if a filter can be made for it."""
    name = platform.machine()
    return name if name in NUMBERS else None


@cache
def program(level: Level, abi: int, own_user: bool) -> bytes:
    """Return the filter for this machine as the kernel takes it: 8 bytes an instruction."""
    name = machine()
    if name is None:
        raise NotImplementedError(f"no seccomp filter for {platform.machine()}")
    return assemble(rules(level, abi, own_user), NUMBERS[name], AUDIT_ARCH[name])


def assemble(rules: Iterable[Rule], numbers: Mapping[str, int], architecture: int) -> bytes:
    """Return the filter that ``rules`` make; rules on calls that the architecture does not have are left out."""
    code = [
        _op(_LOAD, _ARCHITECTURE),
        _op(_EQUAL, architecture, 1, 0),
        _op(_RETURN, _KILL),
        _op(_LOAD, _NUMBER),
        _op(_AT_LEAST, _X32, 0, 1),
        _op(_RETURN, _ERRNO | ENOSYS),
    ]
    for rule in rules:
        if rule.call in numbers:
            body = _condition(rule)
            code += [_op(_EQUAL, numbers[rule.call], 0, len(body)), *body]
    return b"".join([*code, _op(_RETURN, _ALLOW)])


def _condition(rule: Rule) -> list[bytes]:
    """Return the instructions behind a match of the number, which is loaded again where the rule does not apply."""
    deny = _op(_RETURN, _ERRNO | rule.error)
    if rule.argument is None:
        return [deny]
    unlike = (0, 1) if rule.equal else (1, 0)
    return [
        _op(_LOAD, _ARGUMENTS + 8 * rule.argument),
        _op(_AND, rule.mask),
        _op(_EQUAL, rule.value, *unlike),
        deny,
        _op(_LOAD, _NUMBER),
    ]


def _op(code: int, operand: int, jump_true: int = 0, jump_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, jump_true, jump_false, operand)

"""What every attack may import inside the jail: how to say what it got, and how to answer as an honest program would.

``targets`` lies beside it, written by the arena: an attacker is taken to know every path, port and process id there is, but no
secret.
"""

import contextlib
import ctypes
import os
import platform

import targets

LIBC = ctypes.CDLL(None, use_errno=True)

# fmt: off
SYSCALLS = {  # name: (x86_64, aarch64)
    "add_key": (248, 217), "bpf": (321, 280), "capset": (126, 91), "clone": (56, 220), "clone3": (435, 435), "fsopen": (430, 430),
    "ioprio_set": (251, 30), "io_uring_setup": (425, 425), "kcmp": (312, 272), "kexec_load": (246, 104), "keyctl": (250, 219),
    "memfd_create": (319, 279), "memfd_secret": (447, 447), "mount_setattr": (442, 442), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "open_tree": (428, 428), "openat2": (437, 437), "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438), "pidfd_open": (434, 434), "pivot_root": (155, 41), "prlimit64": (302, 261),
    "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "request_key": (249, 218), "setns": (308, 268),
    "syslog": (103, 116), "userfaultfd": (323, 282),
}
# fmt: on


def got(kind, text):
    """Say that something was achieved which ought to be denied; ``kind`` is one of the self-test's attacks, or ``forged``."""
    line = f"\nGOT {kind}: {text}"[:300] + "\n"
    os.write(1, line.encode(errors="replace"))


def attempt(kind, text, function, *arguments):
    """Call ``function``; if that is not denied, say so and return what it returned, else return None."""
    try:
        result = function(*arguments)
    except (OSError, ValueError, ImportError, AttributeError, MemoryError, EOFError, OverflowError):
        return None
    got(kind, f"{text}: {result!r:.100}")
    return result


def syscall(name, *arguments):
    """Make a system call, raw."""
    number = SYSCALLS[name][platform.machine() == "aarch64"]
    result = LIBC.syscall(number, *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        raise OSError(ctypes.get_errno(), name)
    return result


def libc(name, *arguments):
    """Call a function of the C library that returns -1 on failure."""
    result = getattr(LIBC, name)(*(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def require(condition):
    """Fail like a denied call if a call that was let through gave nothing."""
    if not condition:
        raise OSError("nothing gained")
    return condition


def read(path, size=4096):
    """Return the beginning of a file."""
    with open(path, "rb", buffering=0) as file:
        return file.read(size)


def unconfined():
    """Return whether a process outside can be signalled: what would harm the machine is then left alone."""
    try:
        os.kill(targets.VICTIM, 0)
    except OSError:
        return False
    return True


def pids():
    """Return every process id that might be worth an attack: those known from outside, and all visible ones."""
    found = {os.getppid(), targets.VICTIM, targets.DRIVER}
    if not unconfined():
        found.add(1)
        with contextlib.suppress(OSError):
            found |= {int(name) for name in os.listdir("/proc") if name.isdigit()}
    return sorted(found - {os.getpid(), 0})


def honest(question):
    """Answer as well as can be done without knowing the hidden answers."""
    return question * question if question < 1000 else 0

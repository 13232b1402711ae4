import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from evolve.jail import landlock, seccomp
from evolve.jail.syscalls import NUMBERS
from evolve.jail.view import view
from evolve.records import Level
from tests import ordinary

NEWER = {"setxattrat", "removexattrat", "file_setattr"}
"""Calls that are younger than the libseccomp of many systems."""


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_numbers_agree_with_libseccomp(machine: str) -> None:
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError) as error:  # the last two where its library is missing
        pytest.skip(f"pyseccomp cannot be imported: {error}")
    arch = getattr(pyseccomp.Arch, machine.upper())
    for name, number in NUMBERS[machine].items():
        if name not in NEWER:
            assert pyseccomp.resolve_syscall(arch, name) == number, name


def test_every_rule_has_a_number() -> None:
    for level in ("namespaces", "landlock"):
        for abi in range(8):
            for rule in seccomp.rules(level, abi, True):
                assert rule.call in NUMBERS["x86_64"]


def test_programs_fit() -> None:
    for abi in (0, 1, 3, 6):
        assert 0 < len(seccomp.program("landlock", abi, True)) // 8 < 4096


def under(rules: tuple[Level, int, bool], code: str) -> list[str]:
    """Run Python under a filter; return what it prints."""
    script = (
        "import os, errno, socket, fcntl, resource\nfrom evolve.jail import confine, seccomp\n"
        "confine._prctl(confine._PR_SET_NO_NEW_PRIVS, 1, '')\n"
        f"confine._filter(seccomp.program({rules[0]!r}, {rules[1]}, {rules[2]}))\n"
        "def attempt(what):\n    try: what(); return 'done'\n    except OSError as e: return errno.errorcode[e.errno]\n"
        + code
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True, env={**os.environ}
    )
    return done.stdout.split()


def test_filter_on_a_host_file_system_of_an_old_kernel(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("kept")
    said = under(
        ("landlock", 2, True),
        f"p = {str(path)!r}\n"
        "print(attempt(lambda: socket.socket(socket.AF_UNIX)), attempt(lambda: socket.socket(socket.AF_INET)))\n"
        "print(attempt(lambda: socket.socketpair()), attempt(os.setsid), attempt(lambda: os.kill(os.getppid(), 0)))\n"
        "print(attempt(lambda: os.open(p, os.O_RDONLY | os.O_TRUNC)), attempt(lambda: os.truncate(p, 0)))\n"
        "print(attempt(lambda: os.chmod(p, 0)))\n"
        "print(attempt(lambda: os.open(p, os.O_RDONLY)), attempt(lambda: os.open(p, os.O_WRONLY | os.O_TRUNC)))\n"
        "print(attempt(lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE)))\n"
        "print(attempt(lambda: resource.prlimit(0, resource.RLIMIT_CORE)))\n"
        "print(attempt(lambda: fcntl.fcntl(0, fcntl.F_SETOWN, 1)), attempt(lambda: fcntl.fcntl(0, fcntl.F_GETFD)))\n"
        "print(attempt(lambda: os.memfd_create('x')))\n"
        "print(attempt(lambda: os.waitpid(os.fork() or os._exit(0), 0)))\n",
    )
    assert said == (
        [
            "EAFNOSUPPORT",
            "EAFNOSUPPORT",
            "done",
            "EPERM",
            "EPERM",
            "EPERM",
            "EPERM",
            "EPERM",
            "done",
            "done",
            "EPERM",
            "done",
            "EPERM",
            "done",
            "ENOSYS",
            "done",
        ]
    )


def test_filter_in_namespaces() -> None:
    said = under(
        ("namespaces", 7, False),
        "print(attempt(lambda: socket.socket(socket.AF_UNIX)), attempt(lambda: socket.socket(socket.AF_INET)))\n"
        "print(attempt(os.setsid), attempt(lambda: os.kill(os.getpid(), 0)))\n"
        "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\n"
        "print(l.unshare(0x10000000), ctypes.get_errno(), l.ptrace(0, 0, 0, 0), ctypes.get_errno())\n",
    )
    assert said[:4] == ["done", "EAFNOSUPPORT", "done", "done"]
    assert said[4:] == ["-1", str(errno.EPERM), "-1", str(errno.EPERM)]


@pytest.mark.parametrize("abi", range(1, 8))
def test_rulesets_name_only_what_the_abi_has(abi: int) -> None:
    rules = landlock.within((), abi)
    assert rules["size"] == {1: 8, 2: 8, 3: 8, 4: 16, 5: 16}.get(abi, 24)
    for _, access in rules["paths"]:
        assert access & ~rules["handled"]["fs"] == 0
    assert bool(rules["handled"]["net"]) == (abi >= 4)


def test_holes_are_walked_around() -> None:
    opened = {path for path, access in landlock._shown(view()) if access & 4}
    for hole in view().holes:
        assert not any(hole.is_relative_to(path) for path in opened)
    assert any(os.__file__.startswith(path) for path in opened)


@pytest.mark.skipif(not ordinary.possible(), reason="needs root and mounts")
def test_ordinary_users_are_ordinary() -> None:
    code = "import os; print(os.getuid(), os.access('/root', os.W_OK))"
    done = subprocess.run(
        ordinary.as_nobody([sys.executable, "-c", code]), capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.split() == ["65534", "False"]

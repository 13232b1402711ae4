import os
import secrets
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.errors import IsolationError
from evolve.jail import JailEnded, Usage, cold
from evolve.jail.home import home
from evolve.records import Level
from tests.jail.inmate import RUNNER, SMALL, Inmate, confinement, groups, holding, opened

BOMB = "blocks = [bytearray(8 << 20) for _ in range(40)]"
CHILDREN = """
import os, time
for _ in range(6):
    if os.fork() == 0:
        block = bytearray(40 << 20)
        for at in range(0, len(block), 4096): block[at] = 1
        time.sleep(20)
        os._exit(0)
time.sleep(2)
"""

SHARED = "import mmap, time; m = mmap.mmap(-1, 200 << 20); m.write(bytes(200 << 20)); time.sleep(2)"
DAEMON = "import time, signal; signal.signal(15, signal.SIG_IGN); time.sleep(30)"


def ends(inmate: Inmate, source: str, seconds: float = 10.0) -> JailEnded:
    with pytest.raises(JailEnded) as caught:
        inmate.run(source, seconds)
    return caught.value


def outcome(inmate: Inmate, source: str) -> str:
    """Return the result as text, or how the jail ended."""
    try:
        return str(inmate.run(source))
    except JailEnded as ended:
        return ended.detail


def test_a_close_that_was_cut_short_can_be_made_again(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where Ctrl-C comes while it waits, and what holds the jail closes it once more."""
    with opened(level) as inmate:
        assert inmate.run("r = 1 + 1") == 2
        once = inmate.jail._zygote.close

        def interrupted() -> None:
            monkeypatch.setattr(inmate.jail._zygote, "close", once)
            raise KeyboardInterrupt

        monkeypatch.setattr(inmate.jail._zygote, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            inmate.jail.close()
        inmate.jail.close()
        assert inmate.jail.close().cpu_seconds is not None


def test_exchange_and_usage(level: Level) -> None:
    with opened(level) as inmate:
        assert inmate.run("r = 1 + 1") == 2
        assert inmate.run("import sys; print('out'); print('err', file=sys.stderr); r = sys.argv[3:5]")
        usage = inmate.jail.close()
        assert usage == inmate.jail.close()
    assert isinstance(usage, Usage)
    assert usage.cpu_seconds is not None
    assert 0 < usage.cpu_seconds < 2
    assert usage.memory is not None
    assert 1 << 20 < usage.memory < SMALL.memory
    assert "out\n" in usage.output
    assert "err\n" in usage.output


def test_files_are_read_only_where_isolated(isolated: Level) -> None:
    with opened(isolated, files={"program.py": "x = 41 + 1\n", "data/deep/note.bin": b"\x00\xff"}) as inmate:
        inmate.run("import sys; P = sys.argv[3]; sys.path.insert(0, P)")
        assert inmate.run("import program; r = program.x") == 42
        assert inmate.run("r = open(P + '/data/deep/note.bin', 'rb').read()") == b"\x00\xff"
        for attempt in (
            "open(P + '/program.py', 'a')",
            "open(P + '/new', 'w')",
            "__import__('os').unlink(P + '/program.py')",
        ):
            assert inmate.run(f"try: {attempt}; r = 'written'\nexcept OSError: r = 'denied'") == "denied"


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x"])
def test_files_cannot_lead_outside(path: str) -> None:
    jail = cold(confinement("none"), SMALL, files={path: ""}, runner=(RUNNER,))
    with pytest.raises(ValueError, match="outside"):
        jail.start()


def test_scratch_is_private_writable_and_empty(level: Level) -> None:
    for _ in range(2):
        with opened(level) as inmate:
            inmate.run("import os, sys; before = os.listdir('.'); open('left', 'w').write('x')")
            assert inmate.run("r = 'left' in before, os.getcwd() == os.path.realpath(sys.argv[4])") == (False, True)


def test_environment_is_scrubbed(level: Level, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with opened(level) as inmate:
        found = inmate.run("import os; r = dict(os.environ)")
    assert "sk-secret" not in str(found)
    assert found["HOME"] == found["TMPDIR"]


def test_only_standard_streams_and_two_pipes_are_open(level: Level) -> None:
    with open(os.devnull) as leaked:
        os.set_inheritable(leaked.fileno(), True)
        with opened(level) as inmate:
            opened_inside = inmate.run(
                "import os\nr = []\nfor fd in range(1024):\n"
                "    try: os.fstat(fd); r.append(fd)\n    except OSError: pass\nr = [fd for fd in r if fd not in (IN, OUT)]"
            )
    assert opened_inside == [0, 1, 2]


def test_ways_to_end(level: Level) -> None:
    for source, status, words in (
        ("import os; os._exit(7)", "crash", "code 7"),
        ("raise SystemExit(0)", "crash", "code 0"),
        ("import os; os.kill(os.getpid(), 11)", "crash", "SIGSEGV"),
        ("1 / 0", "crash", "code 1"),
        ("import os; os.close(OUT); import time; time.sleep(5)", "crash", "closed its pipe"),
    ):
        with opened(level) as inmate:
            ended = ends(inmate, source)
            assert (ended.status, words in ended.detail) == (status, True), (source, ended)
            assert ends(inmate, "r = 1") is ended


def test_an_endless_call_is_stopped_at_its_deadline(level: Level) -> None:
    with opened(level) as inmate:
        start = time.monotonic()
        assert ends(inmate, "while True: pass", 0.3).status == "timeout"
        assert time.monotonic() - start < 2
        cpu = inmate.jail.close().cpu_seconds
        assert cpu is not None
        assert cpu > 0.02


@pytest.mark.parametrize(
    ("level", "source"),
    [
        ("landlock", "while True: pass"),
        ("namespaces", "import signal; signal.signal(24, signal.SIG_IGN)\nwhile True: pass"),
    ],
)
def test_cpu_seconds(level: Level, source: str) -> None:
    with opened(level, replace(SMALL, cpu_seconds=1)) as inmate:
        ended = ends(inmate, source)
        assert ended.status == "timeout"
        assert "CPU" in ended.detail


@pytest.mark.parametrize(
    "source", ["send(b'early')", "send((1 << 40).to_bytes(8, 'little'))", "send((0).to_bytes(8, 'little') + b'x')"]
)
def test_bytes_out_of_turn(source: str) -> None:
    with opened("namespaces") as inmate:
        ended = ends(inmate, source)
        assert ended.status == "protocol"


def test_a_reply_before_its_request() -> None:
    with opened("namespaces") as inmate:
        inmate.run("import threading, time; threading.Timer(0.05, lambda: send(b'x' * 9)).start()")
        time.sleep(0.2)
        assert ends(inmate, "r = 1").status == "protocol"


def test_a_reply_while_the_request_is_still_being_sent() -> None:
    with opened("namespaces") as inmate:
        inmate.run("import threading\nthreading.Timer(0.1, lambda: send((1).to_bytes(8, 'little') + b'x')).start()")
        inmate.run("import time, __main__\n__main__.receive = lambda count: time.sleep(5)")
        with pytest.raises(JailEnded, match="protocol"):
            inmate.jail.exchange(b"#" * (8 << 20), time.monotonic() + 3)


def test_large_frames(level: Level) -> None:
    frame = b"=" + bytes(8 << 20)
    with opened(level, replace(SMALL, reply=16 << 20)) as inmate:
        assert inmate.jail.exchange(frame, time.monotonic() + 10) == frame
    with opened(level, replace(SMALL, reply=1 << 20)) as inmate, pytest.raises(JailEnded, match="protocol"):
        inmate.jail.exchange(frame, time.monotonic() + 10)


def test_endless_output_neither_blocks_nor_fills_memory(level: Level) -> None:
    with opened(level) as inmate:
        assert inmate.run("import os\nfor _ in range(400): os.write(1, b'y' * 65536)\nos.write(1, b'last'); r = 3") == 3
        output = inmate.jail.close().output
    assert output.endswith("last")
    assert len(output) < 2 * SMALL.output


def test_memory_of_one_process(level: Level) -> None:
    with opened(level, replace(SMALL, memory=96 << 20)) as inmate:
        assert ends(inmate, BOMB).status in ("memory", "crash")  # a MemoryError ends this runner


@pytest.mark.parametrize(
    "source", [CHILDREN, "import mmap, time; m = mmap.mmap(-1, 200 << 20); m.write(bytes(200 << 20)); time.sleep(2)"]
)
@pytest.mark.usefixtures("no_cgroup")
def test_memory_of_the_tree_by_the_watchdog(level: Level, source: str) -> None:
    with opened(level) as inmate:
        assert ends(inmate, source).status in ("memory", "crash")
        usage = inmate.jail.close()
    assert usage.memory is not None
    assert usage.memory < 3 * SMALL.memory


def test_memory_of_the_tree_by_control_groups(level: Level) -> None:
    if not groups() and level != "none" and "memory" not in " ".join(confinement(level).layers):
        pytest.skip("this process may not make control groups")
    with opened(level) as inmate:
        assert ends(inmate, CHILDREN).status in ("memory", "crash")


def test_pages_shared_with_children_count_once(level: Level) -> None:
    with opened(level) as inmate:
        source = (
            "import os, time\nblock = bytearray(50 << 20)\nfor at in range(0, len(block), 4096): block[at] = 1\n"
            "for _ in range(4):\n    if os.fork() == 0: time.sleep(0.3); os._exit(0)\nfor _ in range(4): os.wait()\nr = 'fits'"
        )
        assert inmate.run(source) == "fits"


def test_processes(level: Level) -> None:
    source = (
        "import os, time\nr = 0\n"
        f"for _ in range({4 * SMALL.processes}):\n"
        "    try:\n        if os.fork() == 0: time.sleep(20); os._exit(0)\n"
        "    except OSError: break\n    r += 1\n    time.sleep(0.002)\ntime.sleep(0.1)"
    )
    with opened(level) as inmate:
        assert "processes" in (why := outcome(inmate, source)) or int(why) <= SMALL.processes


FLOOD = """
import os, time
end = time.monotonic() + 5
while time.monotonic() < end:
    try: os.fork() or os.setsid()
    except OSError: pass
os._exit(0)
"""


@pytest.mark.usefixtures("nothing_left")
def test_a_flood_of_processes_is_ended(isolated: Level) -> None:
    with opened(isolated) as inmate:
        start = time.monotonic()
        ends(inmate, FLOOD, 1.0)
        assert time.monotonic() - start < 5


def test_scratch_is_bounded(isolated: Level) -> None:
    with opened(isolated, replace(SMALL, scratch=4 << 20)) as inmate:
        source = (
            "import time\nr = 'denied'\ntry:\n    for n in range(40):\n"
            "        with open(str(n), 'wb') as f: f.write(bytes(1 << 20))\n"
            "    time.sleep(1); r = 'written'\nexcept OSError: pass"
        )
        assert outcome(inmate, source) in ("denied", f"over {4 << 20} bytes, or too many files, in the scratch folder")


@pytest.mark.parametrize("leave", ["os.setsid()", "os.setpgid(0, 0)", "pass"])
def test_daemons_die_with_the_jail(level: Level, leave: str) -> None:
    token = "daemon-" + secrets.token_hex(8)
    source = f"""
import os, sys
if os.fork() == 0:
    try: {leave}
    except OSError: pass
    if os.fork() == 0:
        os.execv(sys.executable, [sys.executable, '-I', '-S', '-c', {DAEMON!r}, {token!r}])
    os._exit(0)
os.wait()
"""
    with opened(level) as inmate:
        inmate.run(source)
        deadline = time.monotonic() + 3
        while not holding(token) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert holding(token)
    assert not holding(token)


def test_a_candidate_that_kills_its_keeper(level: Level) -> None:
    with opened(level) as inmate:
        source = "import os, time\ntry: os.kill(os.getppid(), 9)\nexcept OSError: pass\ntime.sleep(0.1); r = 'alive'"
        expected = "the jail was killed from outside" if level in ("rlimits", "none") else "alive"
        assert outcome(inmate, source) == expected


@pytest.mark.usefixtures("nothing_left")
def test_many_at_the_same_time(isolated: Level) -> None:
    results: list[int] = []
    before = set(os.listdir(home()))

    def work(slot: int) -> None:
        with opened(isolated, slot=slot) as inmate:
            results.append(
                inmate.run(
                    "import os, time; pid = os.fork() or os._exit(0); os.wait(); time.sleep(0.2); r = os.getuid()"
                )
            )

    threads = [threading.Thread(target=work, args=(slot % 2,)) for slot in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    if os.geteuid() == 0:
        assert len(set(results)) == 6
    assert set(os.listdir(home())) == before


def test_a_spiteful_scratch_folder_is_removed() -> None:
    before = set(os.listdir(home()))
    source = (
        "import os\nhere = os.getcwd()\nfor _ in range(1200): os.mkdir('d'); os.chdir('d')\n"
        "os.chdir(here); os.mkdir('shut'); open('shut/f', 'w').close(); os.symlink('/', 'root')\n"
        "os.chmod('shut', 0); r = 1"
    )
    with opened("rlimits") as inmate:
        assert inmate.run(source) == 1
    assert set(os.listdir(home())) == before


def test_a_jail_that_cannot_start_is_no_fault_of_the_candidate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = tmp_path / "bwrap"
    wrong.write_text("#!/bin/sh\necho 'bwrap: no luck' >&2; exit 1\n")
    wrong.chmod(0o755)
    monkeypatch.setattr("evolve.jail.bubblewrap.find", lambda: (wrong, "0.8.0"))
    jail = cold(confinement("namespaces"), SMALL, files={}, runner=(RUNNER,))
    with pytest.raises(IsolationError, match="no luck"):
        jail.start()
    jail.close()


def test_closing_before_or_without_starting() -> None:
    jail = cold(confinement("none"), SMALL, files={}, runner=(RUNNER,))
    assert jail.close() == Usage(None, None, "")


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_a_cold_jail_is_cheap() -> None:
    best = 9.0
    for _ in range(10):
        start = time.perf_counter()
        with opened("namespaces") as inmate:
            inmate.run("r = 1")
        best = min(best, time.perf_counter() - start)
    assert best < 0.2  # 0.022 s on a quiet machine; bench/ has the figures


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user's folders are its own")
def test_programs_that_a_candidate_starts_read_what_it_reads(isolated: Level) -> None:
    start = (
        "import subprocess, sys\n"
        "code = 'import os, sys; print(os.path.realpath(sys.prefix), bool(open(os.__file__).read(1)))'\n"
        "done = subprocess.run([sys.executable, '-s', '-S', '-c', code], capture_output=True, text=True)\n"
        "r = done.stdout.split(), os.path.realpath(sys.prefix)"
    )
    with opened(isolated) as inmate:
        (prefix, readable), own = inmate.run("import os\n" + start)
        assert (prefix, readable) == (own, "True")  # not the system's, which may be another Python

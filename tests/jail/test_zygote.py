"""Warm jails: one candidate after the other from one zygote, nothing carried over, given up at the first doubt."""

from __future__ import annotations

import ast
import marshal
import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evolve.errors import IsolationError
from evolve.jail import Inside, Jail, JailEnded, Unfit, Usage, Zygote, launch, selftest
from evolve.jail.folders import Folders
from evolve.jail.home import home
from evolve.records import Level, Limits
from tests.executor.test_local import children, gone
from tests.jail.inmate import ISOLATED, RUNNER, SMALL, confinement, groups

WARM = pytest.mark.parametrize("level", ISOLATED)


@contextmanager
def zygote(
    level: Level, *, limits: Limits = SMALL, preload: tuple[str, ...] = (), packages: tuple[str, ...] = ()
) -> Iterator[Zygote]:
    inside = Inside(warm=True, preload=preload)
    found = Zygote(confinement(level), limits, packages=packages, runner=(RUNNER,), inside=inside)
    found.start()
    try:
        yield found
    finally:
        found.close()


class Guest:
    """A candidate in a warm jail."""

    def __init__(self, zygote: Zygote, files: dict[str, str] | None = None) -> None:
        self.jail = Jail(zygote, files or {"program.py": "x = 1\n"})
        self.jail.start()

    def run(self, source: str, seconds: float = 10.0) -> Any:
        return ast.literal_eval(self.jail.exchange(source.encode(), time.monotonic() + seconds).decode())

    def leave(self) -> Usage:
        return self.jail.close()


def said(zygote: Zygote, source: str) -> Any:
    """Let a candidate in, execute ``source``, let it out; it must leave a clean jail, unless the zygote saw the names of its
    files, which it has to look for where scratch is a folder of the host's.
    """
    guest = Guest(zygote)
    result = guest.run(source)
    guest.leave()
    assert guest.jail.clean or ("open(" in source and zygote.confinement.level == "landlock")
    return result


@WARM
def test_candidates_are_forked_from_one_process(level: Level) -> None:
    with zygote(level) as warm:
        parents = {said(warm, "import os; r = os.getppid()") for _ in range(3)}
        processes = {said(warm, "import os; r = os.getpid()") for _ in range(3)}
        assert len(parents) == 1
        assert len(processes) == 3 or level == "namespaces"  # where numbers may come again


@WARM
def test_no_zygote_outlives_its_judge_not_even_one_that_imports(level: Level, tmp_path: Path) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text("def prepare():\n    print('importing', flush=True)\n    import time\n    time.sleep(60)\n")
    script = f"""
        import sys, time
        from pathlib import Path
        sys.path[:0] = [{str(Path(__file__).parents[2])!r}]
        from evolve.jail import Inside, Zygote
        from tests.jail.inmate import SMALL, confinement
        found = Zygote(confinement({level!r}), SMALL, runner=(Path({str(runner)!r}),), inside=Inside(warm=True))
        found.start()
        while found.last_words() != "importing":
            time.sleep(0.01)
        print("importing", flush=True)
        time.sleep(60)
    """
    judge = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE)
    with judge:
        assert judge.stdout is not None
        assert judge.stdout.readline() == b"importing\n"
        begun = children(judge.pid)
        assert begun
        judge.kill()
    assert gone(begun)


@WARM
def test_a_jail_can_be_killed_by_one_thread_while_another_closes_it(level: Level) -> None:
    for turn in range(12):
        failed: list[BaseException] = []
        with zygote(level) as warm:
            warm.wait(time.monotonic() + 20)

            def kill(warm: Zygote = warm, failed: list[BaseException] = failed) -> None:
                try:
                    for _ in range(40):
                        warm.kill()
                except (OSError, ValueError) as error:
                    failed.append(error)

            killer = threading.Thread(target=kill)
            killer.start()
            time.sleep(turn % 4 * 0.001)
        killer.join()
        assert not failed


@WARM
def test_modules_are_imported_once(level: Level) -> None:
    with zygote(level, preload=("numpy",), packages=("numpy",)) as warm:
        assert said(warm, "import sys; r = 'numpy' in sys.modules") is True
        assert said(warm, "import numpy as np; r = float((np.ones((40, 40)) @ np.ones((40, 40))).sum())") == 64000.0
        assert said(warm, "import gc, numpy; r = gc.get_freeze_count() > 1000") is True


@WARM
@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("numpy.nowhere", "ModuleNotFoundError: No module named .* name the distribution .* in `packages`"),
        ("numpy.f2py.__main__", "SystemExit:"),  # a command, which ends the process that imports it
    ],
)
def test_a_module_that_cannot_be_imported_is_named(level: Level, module: str, why: str) -> None:
    message = rf"'{module}' of `preload` cannot be imported in a jail: {why}"
    with (
        zygote(level, preload=(module,), packages=("numpy",)) as warm,
        pytest.raises(IsolationError, match=message),
    ):
        warm.wait(time.monotonic() + 20)


@WARM
@pytest.mark.parametrize(
    ("module", "why"),
    [
        ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n", "1 threads"),
        (
            "import mmap, tempfile\nf = tempfile.TemporaryFile()\nf.truncate(4096)\nm = mmap.mmap(f.fileno(), 4096)\n",
            "share",
        ),
    ],
)
def test_imports_that_no_fork_may_inherit_mean_cold_jails(
    level: Level, module: str, why: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = tmp_path / "runner.py"
    runner.write_text(RUNNER.read_text().replace("IN, OUT = -1, -1\n", module + "IN, OUT = -1, -1\n"))
    found = Zygote(confinement(level), SMALL, runner=(runner,), inside=Inside(warm=True))
    found.start()
    try:
        with pytest.raises(Unfit, match=why):
            found.wait(time.monotonic() + 20)
    finally:
        found.close()


@WARM
def test_nothing_is_carried_to_the_next(level: Level) -> None:
    with zygote(level, preload=("json",)) as warm:
        leave = (
            "import os, sys, json, builtins, signal\nopen('left', 'w').write('x'); os.mkdir('deep'); os.chmod('deep', 0)\n"
            "json.left = sys.left = builtins.left = os.environ['LEFT'] = 'x'\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
            "os.umask(0o777); os.nice(3); r = 1\n"
        )
        said(warm, leave)
        look = (
            "import os, sys, json, builtins, signal\n"
            "r = (os.path.exists('left'), os.path.exists('deep'), hasattr(json, 'left'), hasattr(sys, 'left'),\n"
            "     hasattr(builtins, 'left'), 'LEFT' in os.environ, signal.getsignal(signal.SIGTERM) == signal.SIG_DFL,\n"
            "     os.umask(0o22) == 0o777, os.nice(0))\n"
        )
        assert said(warm, look) == (False, False, False, False, False, False, True, False, 0)


@WARM
def test_each_candidate_finds_its_own_files_alone(level: Level) -> None:
    with zygote(level) as warm:
        source = (
            "import os, sys; P = sys.argv[3]\n"
            "r = sorted(os.path.relpath(os.path.join(p, f), P) for p, _, fs in os.walk(P) for f in fs)"
        )
        for files in ({"a.py": "1", "b/c.py": "2"}, {"b": "3"}, {"b/c.py": "4", "d.py": "5"}, {"d.py": "6"}):
            guest = Guest(warm, files)
            assert guest.run(source) == sorted(files)
            assert (
                guest.run("r = {n: open(sys.argv[3] + '/' + n).read() for n in r0}".replace("r0", repr(list(files))))
                == files
            )
            guest.leave()


def test_what_a_filling_that_failed_left_is_gone() -> None:
    folders = Folders(None, outside=True)
    with pytest.raises(OSError, match="too long"):
        folders.fill({"left.py": "1", "n" * 300: "2"})
    folders.fill({"program.py": "3"})
    assert os.listdir(folders.program) == ["program.py"]
    folders.close()


@WARM
@pytest.mark.parametrize(
    "end",
    [
        "import os; os._exit(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)",
        "x = bytearray(400 << 20); r = 1",
        "while True: pass",
        "import os; os.write(OUT, b'x' * 100)",
    ],
)
def test_an_end_that_is_not_peaceful_is_a_doubt(level: Level, end: str) -> None:
    with zygote(level) as warm:
        guest = Guest(warm)
        with pytest.raises(JailEnded):  # the second one where the first is answered
            assert guest.run(end, seconds=0.5) is None is guest.run("import time; time.sleep(9)", seconds=0.5)
        guest.leave()
        assert not guest.jail.clean


@pytest.mark.skipif("namespaces" not in ISOLATED, reason="needs namespaces")
@pytest.mark.parametrize(
    "leave",
    [
        "import os\nfor i in range(20100): open(str(i), 'w').close()\nr = 1",
        "import os; os.chmod('/tmp', 0o700) if os.stat('/tmp').st_uid == os.getuid() else os._exit(1); r = 1",
        "import os; os.setxattr('/tmp', 'user.left', b'x'); r = 1",
    ],
)
def test_what_cannot_be_put_right_is_a_doubt(leave: str) -> None:
    with zygote("namespaces") as warm:
        guest = Guest(warm)
        try:
            guest.run(f"try:\n    exec({leave!r})\nexcept OSError:\n    import os; os._exit(1)\nr = 1")
        except JailEnded:
            return  # it was denied
        guest.leave()
        assert not guest.jail.clean


@WARM
def test_processes_left_behind_are_killed_and_the_jail_goes_on(level: Level) -> None:
    with zygote(level) as warm:
        said(warm, "import os, time\nif os.fork() == 0: time.sleep(60)\nr = 1")
        assert (
            said(
                warm, "import os; r = len([n for n in os.listdir('/proc') if n.isdigit()]) if os.getppid() == 1 else 2"
            )
            == 2
        )


@WARM
def test_use_is_measured_for_each_candidate_alone(level: Level) -> None:
    with zygote(level) as warm:
        greedy, modest = Guest(warm), None
        greedy.run(
            "x = bytearray(60 << 20)\nimport time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nr = 1"
        )
        used = greedy.leave()
        modest = Guest(warm)
        modest.run("r = 1")
        after = modest.leave()
        assert used.memory is not None
        assert used.cpu_seconds is not None
        assert after.memory is not None
        assert after.cpu_seconds is not None
        assert used.memory > 60 << 20 > after.memory
        assert used.cpu_seconds > 0.25 > after.cpu_seconds


@WARM
def test_cpu_time_is_that_of_the_whole_tree(level: Level) -> None:
    limits = Limits(memory=128 << 20, processes=24, scratch=16 << 20, cpu_seconds=1, output=4096, reply=1 << 20)
    with zygote(level, limits=limits) as warm:
        guest = Guest(warm)
        spread = (  # no process of it uses more than its own second
            "import os, time\nend = time.monotonic() + 20\n"
            "while time.monotonic() < end:\n"
            "    if os.fork() == 0:\n        while time.process_time() < 0.2: pass\n        os._exit(0)\n    os.wait()\n"
        )
        with pytest.raises(JailEnded, match="CPU time, all processes together") as caught:
            guest.run(spread, seconds=20)
        assert caught.value.status == "timeout"
        guest.leave()


@WARM
def test_closing_leaves_nothing(level: Level) -> None:
    before, held = set(os.listdir(home())), groups()
    with zygote(level) as warm:
        said(warm, "open('x', 'w').write('x'); r = 1")
        assert set(os.listdir(home())) > before
    left = {name for name in set(os.listdir(home())) - before if not name.startswith("site-")}
    assert (left, groups()) == (set(), held)


@WARM
def test_a_zygote_that_was_killed_is_told_as_such(level: Level) -> None:
    with zygote(level) as warm:
        said(warm, "r = 1")
        warm.kill()
        with pytest.raises(IsolationError):
            Guest(warm).run("r = 1")


@pytest.mark.skipif("namespaces" not in ISOLATED, reason="needs namespaces")
def test_the_self_test_sees_what_a_warm_jail_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = launch.plan

    def forgetful(*arguments: Any) -> bytes:
        encoded = marshal.dumps(marshal.loads(whole(*arguments)[8:]) | {"tmpfs": []})
        return len(encoded).to_bytes(8, "little") + encoded

    with selftest.lab("namespaces") as lab:
        assert lab.attempt("next_candidate") == ""
        monkeypatch.setattr(launch, "plan", forgetful)
        assert lab.attempt("next_candidate") == "/tmp, /dev/shm"


@WARM
def test_a_warm_jail_does_not_fill_up(level: Level) -> None:
    spend = (
        "import os, socket\nfor i in range(100): open(f'{i}', 'w').close(); os.stat('.')\n"
        "pipes = [os.pipe() for _ in range(20)]\nfor _, w in pipes: os.write(w, bytes(60000))\n"
        "x = bytearray(20 << 20)\nif os.fork() == 0:\n    import time; time.sleep(60)\nr = 1"
    )
    with zygote(level) as warm:

        def used() -> int:
            if warm.group is None or "memory" not in warm.group._paths:
                pytest.skip("needs a control group for memory")
            path = warm.group._paths["memory"]
            found = next(path / name for name in ("memory.usage_in_bytes", "memory.current") if (path / name).exists())
            return int(found.read_text())

        for _ in range(5):
            assert said(warm, spend) == 1
        before = used()
        for _ in range(30):
            assert said(warm, spend) == 1
        assert used() < before + (4 << 20)


@pytest.mark.skipif("namespaces" not in ISOLATED, reason="needs namespaces")
def test_a_jail_killed_from_outside_in_a_call_is_no_fault_of_the_candidate() -> None:
    with zygote("namespaces") as warm:
        guest = Guest(warm)
        killer = threading.Timer(0.2, warm.kill)
        killer.start()
        with pytest.raises(IsolationError, match="killed from outside"):
            guest.run("import time; time.sleep(9)")
        killer.join()


@WARM
def test_files_in_scratch_cost_no_jail(level: Level) -> None:
    with zygote(level) as warm:  # what of their names the next candidate can find is for `legacy_memory` of the attacks
        said(warm, "import time\nopen('name', 'w').write('x')\ntime.sleep(0.4)\nr = 1")
        assert said(warm, "import os; r = os.listdir('.')") == said(warm, "import os; r = os.listdir('.')")

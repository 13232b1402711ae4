"""What slots hold of the machine while they judge: processors, GPUs that are fakes, and the right to be the only one."""

import json
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from evolve.errors import ConfigError
from evolve.executor import InlineExecutor, LocalExecutor, ThreadExecutor, holding, local
from evolve.executor.slot import environment
from evolve.jail import choose
from evolve.machine import Lock, Machine
from evolve.records import Evaluation, Job, Resources, Task
from evolve.testing import FakeProbe
from evolve.testing.gpu import fake_nodes
from tests.executor.toy import CALL, FINE, LIMITS, settle, toy
from tests.waiting import answer

GIB = 1 << 30
NOBODY = 5_000_000
"""A process id that no system gives."""
SEES = "import os\ndef f():\n    return os.environ.get('CUDA_VISIBLE_DEVICES', '')"
TELL = 'def evaluate(candidate):\n    return {"score": 1.0, "feedback": candidate.call("f")}\n'


class Bench:
    """Executors on a machine that has fake GPUs."""

    def __init__(self, folder: Path, gpus: int = 2) -> None:
        self.folder = folder
        self.probe = FakeProbe(folder / "gpus.json", gpus)
        (folder / "locks").mkdir(mode=0o700)
        self.machine = Machine(self.probe, folder / "locks", fake_nodes(folder / "dev", gpus))
        self.made: list[LocalExecutor] = []
        self.said: list[str] = []

    def task(self, evaluate: str, resources: Resources, gpu_memory: int | None = None, seconds: float = 20.0) -> Task:
        limits = replace(LIMITS, gpu_memory=gpu_memory, seconds=seconds)
        return replace(toy(self.folder, evaluate, limits=limits), resources=resources)

    def executor(self, task: Task, slots: int = 1, level: str = "none", grace: float = 5.0) -> LocalExecutor:
        confinement = choose("namespaces" if level == "namespaces" else "none")
        executor = LocalExecutor(task, confinement, slots, machine=self.machine, grace=grace)
        executor.say = self.said.append
        self.made.append(executor)
        return executor


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    for executor in made.made:
        executor.close()


GPU = Resources(gpus=1)


def pump(executor: LocalExecutor, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        executor.pump(left)


# ------------------------------------------------------------------ GPUs


def test_a_candidate_sees_its_lease_and_the_evaluation_names_it(bench: Bench) -> None:
    executor = bench.executor(bench.task(TELL, GPU), slots=2)
    seen = settle(executor, *[SEES] * 6)
    assert {s.status for s in seen} == {"ok"}
    assert {s.gpus for s in seen} <= {("GPU-0",), ("GPU-1",)}
    assert all((s.feedback,) == s.gpus for s in seen)


def test_the_jail_has_the_leased_nodes_and_no_others(bench: Bench) -> None:
    if choose().level != "namespaces":
        pytest.skip("this machine has no namespaces")
    program = """
        def f():
            points = [line.split()[4] for line in open("/proc/self/mountinfo")]
            return " ".join(sorted(point.rpartition("/")[2] for point in points if point.startswith(PLACE)))
    """.replace("PLACE", repr(str(bench.machine.devices)))
    (seen,) = settle(bench.executor(bench.task(TELL, GPU), level="namespaces"), program)
    assert (seen.status, seen.error) == ("ok", "")
    assert seen.feedback == f"nvidia-uvm nvidia{seen.gpus[0][-1]} nvidiactl"


def test_all_seeds_of_a_job_have_the_same_lease(bench: Bench) -> None:
    executor = bench.executor(bench.task(TELL, GPU))
    seen = answer(executor, Job("a", {"initial.py": SEES}, 1, repeats=(2, 3)))
    assert [repeat.seed for repeat in seen.repeats] == [1, 2, 3]
    assert seen.gpus == ("GPU-0",)


def test_a_slot_has_the_same_device_again(bench: Bench) -> None:
    executor = bench.executor(bench.task(TELL, GPU), slots=2)
    seen = settle(executor, *[SEES] * 2)
    assert sorted(s.gpus for s in seen) == [("GPU-0",), ("GPU-1",)]
    evaluate = (
        'import os\ndef evaluate(candidate):\n    return {"score": os.getpid(), "feedback": candidate.call("f")}\n'
    )
    executor = bench.executor(bench.task(evaluate, GPU), slots=2)
    seen = settle(executor, *[SEES] * 8)
    assert len({(s.score, s.gpus) for s in seen}) == len({s.score for s in seen})


def test_as_many_slots_as_the_devices_serve(bench: Bench) -> None:
    assert bench.executor(bench.task(CALL, GPU), slots=8).slots == 2
    assert bench.executor(bench.task(CALL, Resources(gpus=2)), slots=8).slots == 1
    with pytest.raises(ConfigError, match=r"needs 3 GPUs .*Fake GPU GPU-0, Fake GPU GPU-1 was found \(a fake\)"):
        bench.executor(bench.task(CALL, Resources(gpus=3)))
    (bench.machine.devices / "nvidia1").unlink()
    with pytest.raises(ConfigError, match="nvidia1"):
        bench.executor(bench.task(CALL, GPU))


def test_other_executors_lease_nothing(bench: Bench) -> None:
    task = bench.task(CALL, GPU)
    with pytest.raises(ConfigError, match="GPU"):
        ThreadExecutor(task, lambda candidate: 1.0, choose("none"), 1)
    executor = InlineExecutor(task)
    assert settle(executor, FINE)[0].gpus == ()
    executor.close()


def test_a_run_waits_for_the_devices_of_another(bench: Bench) -> None:
    script = f"""
        import sys
        from pathlib import Path
        from evolve.gpu import Leases
        from evolve.testing import FakeProbe
        leases = Leases(FakeProbe(Path({str(bench.folder / "gpus.json")!r})), Path({str(bench.folder / "locks")!r}))
        print(leases.take(2), flush=True)
        sys.stdin.readline()
    """
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", textwrap.dedent(script)]
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, env=environment()) as other:
        assert other.stdout is not None
        other.stdout.readline()
        executor = bench.executor(bench.task(TELL, GPU))
        future = executor.submit(Job("a", {"initial.py": SEES}, 0))
        before = time.monotonic()
        executor.pump(0.4)
        assert 0.3 < time.monotonic() - before < 2.0
        assert not future.done()
        other.kill()
        other.wait()
        while not future.done():
            executor.pump(1.0)
    assert future.result().status == "ok"


RUN = """
import os, time
def evaluate(candidate):
    log = os.open(LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, b"begin RUN\\n")
    time.sleep(60 if candidate.sources["initial.py"] == "last" else 0.05)
    os.write(log, b"end RUN\\n")
    return 1.0
"""
DRIVER = """
import sys
from dataclasses import replace
from pathlib import Path
place, root, evaluate, *programs = sys.argv[1:]
sys.path[:0] = [root]
from evolve.executor import LocalExecutor
from evolve.jail import choose
from evolve.machine import Machine
from evolve.records import Resources
from evolve.testing import FakeProbe
from tests.executor.toy import settle, toy
folder = Path(place)
folder.mkdir()
machine = Machine(FakeProbe(folder.parent / "gpus.json"), folder.parent / "locks", folder.parent / "dev")
task = replace(toy(folder, evaluate), resources=Resources(gpus=2))
executor = LocalExecutor(task, choose("none"), 1, machine=machine)
print(*[seen.status for seen in settle(executor, *programs, within=60.0)])
executor.close()
"""


def test_two_runs_exclude_each_other_until_one_is_killed(bench: Bench) -> None:
    """Each evaluation writes when it begins and ends, and in which run; the first run is killed within its last one."""
    log = bench.folder / "log"
    runs = []
    for name, programs in (("one", [*"abc", "last"]), ("two", [*"abcdef"])):
        evaluate = RUN.replace("LOG", repr(str(log))).replace("RUN", name)
        command = [sys.executable, "-c", DRIVER, str(bench.folder / name), str(Path(__file__).parents[2]), evaluate]
        runs.append(subprocess.Popen([*command, *programs], stdout=subprocess.PIPE, text=True, env=environment()))
    with runs[0], runs[1]:
        end = time.monotonic() + 20
        while not log.exists() or log.read_text().count("begin one") < 4:
            assert time.monotonic() < end
            time.sleep(0.02)
        runs[0].kill()
        assert runs[1].communicate(timeout=20)[0].split() == ["ok"] * 6
    lines = log.read_text().splitlines()
    assert (lines.count("end one"), lines.count("end two")) == (3, 6)
    cut = len(lines) - 1 - lines[::-1].index("begin one")
    rest = lines[:cut] + lines[cut + 1 :]
    assert [line.replace("begin", "end") for line in rest[::2]] == rest[1::2]


def test_what_is_waited_for_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "WAITING", 0.2)
    lock = Lock(bench.folder / "locks" / "GPU-0.lock")
    assert lock.take()
    lock.sign("process 1: GPU-0 is in quarantine")
    executor = bench.executor(bench.task(TELL, Resources(gpus=2)))
    executor.submit(Job("a", {"initial.py": SEES}, 0))
    pump(executor, 0.6)
    assert bench.said == ["waiting for 2 free GPUs (GPU-0: process 1: GPU-0 is in quarantine)"]
    lock.release()


def test_memory_over_the_limit_is_a_status(bench: Bench) -> None:
    """Here the watchdog kills a candidate that torch's own cap, which it can undo, did not stop."""
    program = "import time\ndef f():\n    open(GO, 'w').close()\n    time.sleep(60)\n    return ''".replace(
        "GO", repr(str(bench.folder / "go"))
    )
    executor = bench.executor(bench.task(TELL, GPU, gpu_memory=2 * GIB))
    future = executor.submit(Job("a", {"initial.py": program}, 0))
    end = time.monotonic() + 20
    while not (bench.folder / "go").exists():
        assert time.monotonic() < end
        executor.pump(0.05)
    bench.probe.enter("GPU-0", NOBODY, GIB)
    executor.pump(0.6)
    assert not future.done()
    bench.probe.enter("GPU-0", NOBODY, 3 * GIB)
    before = time.monotonic()
    while not future.done():
        executor.pump(5.0)
    assert time.monotonic() - before < 4.0
    seen = future.result()
    assert (seen.status, seen.score, seen.gpus) == ("gpu_memory", None, ("GPU-0",))
    assert seen.error == f"it took {3 * GIB} bytes of GPU-0, and may take {2 * GIB}"
    bench.probe.leave("GPU-0", NOBODY)
    (after,) = settle(executor, SEES)
    assert after.status == "ok"
    assert bench.said == []


def test_the_cap_for_torch_leaves_room_for_cuda(bench: Bench) -> None:
    for limit, cap in ((8 * GIB, 8 * GIB - holding.CONTEXT), (GIB // 2, GIB // 4), (None, None)):
        holdings = holding.Holdings(GPU, replace(LIMITS, gpu_memory=limit), bench.machine, bench.said.append)
        hold = holdings.take(())
        assert hold is not None
        assert holdings.message(hold)["lease"] == {
            "uuids": ["GPU-0"],
            "nodes": [str(bench.machine.devices / name) for name in ("nvidiactl", "nvidia-uvm", "nvidia0")],
            "memory": cap,
            "variables": {
                "CUDA_VISIBLE_DEVICES": "GPU-0",
                "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
                "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
            },
        }
        holdings.close()


def judge(executor: LocalExecutor, program: str = SEES) -> Evaluation:
    return settle(executor, program)[0]


def test_a_process_that_stays_costs_the_slot_its_judge(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "STAY", 0.3)
    evaluate = (
        'import os\ndef evaluate(candidate):\n    return {"score": os.getpid(), "feedback": candidate.call("f")}\n'
    )
    executor = bench.executor(bench.task(evaluate, Resources(gpus=2)))
    future = executor.submit(Job("a", {"initial.py": SEES}, 0))
    executor.pump(0.0)
    bench.probe.enter("GPU-1", NOBODY, GIB)
    while not future.done():
        executor.pump(1.0)
    first = future.result()
    assert first.score is not None
    assert Path(f"/proc/{int(first.score)}").exists()
    later = executor.submit(Job("b", {"initial.py": SEES}, 0))
    pump(executor, 1.0)
    assert not later.done(), "its devices are not free yet"
    assert not Path(f"/proc/{int(first.score)}").exists()
    bench.probe.leave("GPU-1", NOBODY)
    while not later.done():
        executor.pump(1.0)
    assert later.result().score != first.score
    assert bench.said == []


def test_when_every_device_is_in_quarantine_the_run_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "DEADLINE", 0.3)
    executor = bench.executor(bench.task(TELL, Resources(gpus=2)))
    future = executor.submit(Job("a", {"initial.py": SEES}, 0))
    executor.pump(0.0)
    bench.probe.enter("GPU-1", NOBODY, GIB)
    lost = executor.submit(Job("b", {"initial.py": SEES}, 0))
    end = time.monotonic() + 20
    while not (future.done() and lost.done()):
        assert time.monotonic() < end
        executor.pump(1.0)
    assert future.result().status == "ok"
    seen = lost.result()
    assert seen.status == "judge_error"
    assert f"1 GPUs are left, and an evaluation needs 2; in quarantine: GPU-1: process {NOBODY} did not" in seen.error
    assert len(bench.said) == 1


def test_a_device_that_goes_is_no_fault_of_the_candidates(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(holding, "DEADLINE", 0.3)
    evaluate = f"""
        import json, os
        from pathlib import Path
        from evolve.testing import FakeProbe
        def evaluate(candidate):
            name = candidate.call("f")
            if name == "GPU-0":
                FakeProbe(Path({str(bench.folder / "gpus.json")!r})).vanish(name)
                candidate.call("no such function")
            return {{"score": 1.0, "feedback": name}}
    """
    seen = judge(bench.executor(bench.task(evaluate, GPU)))
    assert (seen.status, seen.feedback, seen.gpus) == ("ok", "GPU-1", ("GPU-1",))
    (text,) = bench.said
    assert "GPU-0 is in quarantine until this run ends: it has gone" in text


def test_close_returns_what_is_held(bench: Bench) -> None:
    executor = bench.executor(
        bench.task("import time\ndef evaluate(candidate):\n    time.sleep(60)\n", Resources(gpus=2))
    )
    executor.submit(Job("a", {"initial.py": SEES}, 0))
    executor.pump(0.1)
    assert not Lock(bench.folder / "locks" / "GPU-1.lock").take()
    executor.close()
    for name in ("GPU-0", "GPU-1", "cpu-0", "cpu-1"):
        lock = Lock(bench.folder / "locks" / f"{name}.lock")
        assert lock.take()
        assert lock.left == ""
        lock.release()


# ------------------------------------------------------------------ processors

CPUS = """
    import os
    def evaluate(candidate):
        here = sorted(os.sched_getaffinity(0))
        return {"score": len(here), "feedback": " ".join(map(str, here)), "threads": int(os.environ["OMP_NUM_THREADS"])}
"""
HERE = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
several = pytest.mark.skipif(len(HERE) < 2, reason="needs two processors")


@several
def test_each_slot_has_its_own_processors(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    executor = bench.executor(bench.task("import time\n" + textwrap.dedent(CPUS), Resources()), slots=2)
    seen = settle(executor, *[FINE] * 2)
    assert sorted(s.feedback for s in seen) == sorted(map(str, HERE[:2]))
    assert {s.metrics["threads"] for s in seen} == {1.0}
    other = bench.executor(bench.task(CPUS, Resources(cpus=2)))
    (seen_two,) = settle(other, FINE)
    assert (seen_two.score, seen_two.metrics) == (2.0, {"threads": 2.0})
    assert bench.said == []


@several
def test_two_runs_take_different_processors_while_there_are_any(bench: Bench) -> None:
    first, second = (bench.executor(bench.task(CPUS, Resources())) for _ in range(2))
    assert {judge(first, FINE).feedback, judge(second, FINE).feedback} == set(map(str, HERE[:2]))
    first.close()
    assert judge(bench.executor(bench.task(CPUS, Resources())), FINE).feedback == str(HERE[0])


def test_more_slots_than_processors_share_them_and_say_so(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(local, "complain", said.append)
    each = len(HERE) + 1
    (seen,) = settle(bench.executor(bench.task(CPUS, Resources(cpus=each)), slots=1), FINE)
    assert seen.feedback == " ".join(map(str, HERE))
    assert said == [f"{each} processors are wanted for 1 slots, of {len(HERE)}: evaluations slow each other"]


# ------------------------------------------------------------------ exclusive


def test_an_exclusive_task_has_one_slot_and_the_machine_to_itself(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "WAITING", 0.2)
    evaluate = "import time\ndef evaluate(candidate):\n    time.sleep(0.8)\n    return 1.0\n"
    task = bench.task(evaluate, Resources(exclusive=True))
    first, second = bench.executor(task, slots=4), bench.executor(task, slots=4)
    assert first.slots == 1
    one, two = (executor.submit(Job("a", {"initial.py": FINE}, 0)) for executor in (first, second))
    pump(second, 0.5)
    assert not two.done()
    assert bench.said == [f"waiting for another run that must be alone on this machine (process {os.getpid()})"]
    while not one.done():
        first.pump(1.0)
    while not two.done():
        second.pump(1.0)
    assert two.result().status == "ok"
    assert Lock(bench.folder / "locks" / "exclusive.lock").take()


def test_exclusive_runs_take_turns(bench: Bench) -> None:
    task = bench.task(CALL, Resources(exclusive=True))
    first, second = bench.executor(task), bench.executor(task)
    settle(first, FINE)
    settle(second, FINE)
    futures = [first.submit(Job(str(n), {"initial.py": FINE}, 0)) for n in range(50)]
    waiting = second.submit(Job("a", {"initial.py": FINE}, 0))
    end = time.monotonic() + 20
    while not waiting.done():
        assert time.monotonic() < end
        first.pump(0.02)
        second.pump(0.02)
    assert not all(future.done() for future in futures)


# ------------------------------------------------------------------ time


def test_a_job_may_take_its_time_for_the_screen_and_each_seed(bench: Bench) -> None:
    evaluate = """
        import time
        def evaluate(candidate, seed):
            time.sleep(0.5)
            return 1.0
    """
    executor = bench.executor(bench.task(evaluate, Resources(), seconds=0.4), grace=0.2)
    seen = answer(executor, Job("a", {"initial.py": FINE}, 1, repeats=(2, 3)))
    assert (seen.status, len(seen.repeats)) == ("ok", 3)


def test_a_judge_error_is_tried_again_after_a_while_without_keeping_others(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "DELAYS", (0.4, 0.8))
    evaluate = f"""
        import json, time
        def evaluate(candidate):
            with open({str(bench.folder / "times")!r}, "a") as file:
                file.write(json.dumps([candidate.sources["initial.py"], time.monotonic()]) + "\\n")
            if candidate.sources["initial.py"] == "bad":
                raise OSError(28, "No space left on device")
            return 1.0
    """
    executor = bench.executor(bench.task(evaluate, Resources()))
    bad, fine = settle(executor, "bad", "fine")
    assert (bad.status, fine.status) == ("judge_error", "ok")
    rows = [json.loads(line) for line in (bench.folder / "times").read_text().splitlines()]
    assert [name for name, _ in rows] == ["bad", "fine", "bad", "bad"]
    (_, first), _, (_, second), (_, third) = rows
    assert second - first >= 0.4
    assert third - second >= 0.8

"""On a real GPU, with a torch that has CUDA: skipped everywhere so far, because there was none."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from evolve.executor import LocalExecutor
from evolve.gpu import detect, nodes
from evolve.jail import choose
from evolve.machine import Machine
from evolve.records import Evaluation, Limits, Resources
from tests.executor.toy import settle, toy

FOUND = detect()
GIB = 1 << 30
pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not FOUND.devices(), reason=f"this machine has no GPU: {FOUND.how}"),
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
]
CALL = 'def evaluate(candidate):\n    return {"score": 1.0, "feedback": str(candidate.call("f"))}\n'
Judge = Callable[..., Evaluation]


@pytest.fixture
def judge(tmp_path: Path) -> Iterator[Judge]:
    """Judge one program on one leased GPU; nothing may be left there."""
    made: list[LocalExecutor] = []
    said: list[str] = []

    def run(program: str, gpu_memory: int | None = None) -> Evaluation:
        limits = Limits(seconds=120.0, call_seconds=60.0, memory=16 * GIB, gpu_memory=gpu_memory)
        task = replace(toy(tmp_path, CALL, limits=limits, packages=("torch",)), resources=Resources(gpus=1))
        made.append(LocalExecutor(replace(task, preload=("torch",)), choose(), 1, machine=Machine(FOUND, tmp_path)))
        made[-1].say = said.append
        (seen,) = settle(made[-1], program, within=300.0)
        return seen

    yield run
    for executor in made:
        executor.close()
    assert [text for text in said if "quarantine" in text] == []


def test_cuda_starts_after_the_fork(judge: Judge, record_property: Callable[[str, object], None]) -> None:
    program = """
        import time, torch
        def f():
            begin = time.perf_counter()
            torch.ones(1000, device="cuda").sum().item()
            return time.perf_counter() - begin
    """
    seen = judge(program)
    assert (seen.status, seen.error) == ("ok", "")
    assert seen.fresh == "fork"
    assert len(seen.gpus) == 1
    record_property("seconds until CUDA has computed something, after the fork", seen.feedback)


def test_out_of_memory_is_a_status(judge: Judge) -> None:
    seen = judge("import torch\ndef f():\n    torch.empty(1 << 44, dtype=torch.uint8, device='cuda')")
    assert seen.status == "gpu_memory"


def test_more_than_the_limit_is_a_status(judge: Judge) -> None:
    program = """
        import time, torch
        def f():
            kept = [torch.zeros(1 << 28, dtype=torch.uint8, device="cuda") for _ in range(16)]
            time.sleep(20)
    """
    assert judge(program, 2 * GIB).status == "gpu_memory"


def test_what_undoes_torchs_own_cap_is_killed(judge: Judge) -> None:
    program = """
        import time, torch
        def f():
            torch.cuda.set_per_process_memory_fraction(1.0)
            kept = [torch.zeros(1 << 28, dtype=torch.uint8, device="cuda") for _ in range(16)]
            time.sleep(20)
    """
    seen = judge(program, 2 * GIB)
    assert seen.status == "gpu_memory"
    assert "may take" in seen.error


@pytest.mark.skipif(choose().level != "namespaces", reason="only namespaces hide device nodes")
def test_the_jail_has_its_nodes_and_no_other_device(judge: Judge) -> None:
    program = """
        import os, subprocess, sys
        def f():
            code = "import torch; print(torch.cuda.device_count())"
            every = {**os.environ, "CUDA_VISIBLE_DEVICES": ",".join(map(str, range(64)))}
            count = subprocess.run([sys.executable, "-c", code], env=every, capture_output=True, text=True).stdout.strip()
            here = sorted(os.path.join(where, n) for where, _, names in os.walk("/dev") for n in names if "nvidia" in n)
            return " ".join([str(int(count or 0)), *here])
    """
    seen = judge(program)
    assert (seen.status, seen.error) == ("ok", "")
    count, *here = seen.feedback.split()
    (device,) = (device for device in FOUND.devices() if device.uuid in seen.gpus)
    assert here == sorted(map(str, nodes((device,))))
    assert int(count) <= 1

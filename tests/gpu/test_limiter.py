"""The limiter in an interpreter of its own, with a torch that is not there: nothing of evolve is importable in a jail."""

import subprocess
import sys
from pathlib import Path

import pytest

from evolve.gpu import limiter

TORCH = """
print("torch")
class Properties:
    total_memory = 1000
class cuda:
    _queued = []
    started = False
    shares = {}
    @staticmethod
    def device_count():
        return 2
    @staticmethod
    def get_device_properties(device):
        assert cuda.started
        return Properties
    @staticmethod
    def set_per_process_memory_fraction(share, device):
        assert cuda.started
        cuda.shares[device] = share
    @staticmethod
    def _lazy_call(call):
        call() if cuda.started else cuda._queued.append(call)
    @staticmethod
    def init():
        cuda.started = True
        for call in cuda._queued:
            call()
"""


def run(folder: Path, code: str) -> str:
    """Run code with the limiter as a jail's runner does, the fake torch importable."""
    (folder / "torch.py").write_text(TORCH)
    head = f"import sys\nsys.path.append({str(folder)!r})\nexec(open({limiter.__file__!r}).read())\n"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", head + code], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("early", ["import torch", ""])
def test_torch_is_capped_when_it_starts_cuda(tmp_path: Path, early: str) -> None:
    code = f"""
{early}
limit_devices(250)
print("limited", "torch" in sys.modules)
import torch
assert not torch.cuda.started and not torch.cuda.shares
torch.cuda.init()
print(torch.cuda.shares, len(sys.meta_path))
"""
    before, after = run(tmp_path, code).split("limited ")
    assert before == ("torch\n" if early else "")
    assert after.startswith("True" if early else "False")
    assert after.rstrip().endswith("{0: 0.25, 1: 0.25} 3")


def test_more_than_the_device_has_is_all_of_it(tmp_path: Path) -> None:
    assert run(
        tmp_path, "import torch\ntorch.cuda.init()\nlimit_devices(10**6)\nprint(torch.cuda.shares)"
    ).splitlines() == [
        "torch",
        "{0: 1.0, 1: 1.0}",
    ]


def test_without_torch_nothing_happens(tmp_path: Path) -> None:
    code = "limit_devices(250)\nimport json\nprint(json.dumps([1]), 'torch' in sys.modules)"
    assert run(tmp_path, code) == "[1] False\n"


def test_another_library_can_be_capped(tmp_path: Path) -> None:
    code = """
class Mine:
    module = "json"
    def apply(self, library, memory):
        print(library.__name__, memory, hasattr(library, "dumps"))
limit_devices(7, Mine())
import json
"""
    assert run(tmp_path, code) == "json 7 True\n"


def test_a_library_that_is_missing(tmp_path: Path) -> None:
    code = """
class Mine:
    module = "nothing_of_this_name"
limit_devices(7, Mine())
try:
    import nothing_of_this_name
except ModuleNotFoundError as error:
    print(error)
"""
    assert run(tmp_path, code) == "No module named 'nothing_of_this_name'\n"
